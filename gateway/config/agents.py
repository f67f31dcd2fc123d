"""`[agents]`: which agents there are, where they work, and how many at once."""

import json
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_dir
from pydantic import BeforeValidator, Field, model_validator

from gateway.config.values import Directory, Minutes, Section


def _command(value: object) -> object:
    if isinstance(value, str) and "\0" not in value:
        return str(Path(value).expanduser()) if value.startswith("~") else value.strip()
    return value


def _directories(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('write paths as a list, like ["/home/me/projects"]') from None
    return value


class ClaudeSettings(Section):
    """How to start Claude Code: a program on the PATH or its whole path, and a model if not the client's own choice.

    `cheaper_model` is offered beside that one before an expensive run.
    """

    command: Annotated[str, BeforeValidator(_command)] = Field(default="claude", min_length=1, max_length=4096)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    cheaper_model: str | None = Field(default=None, min_length=1, max_length=200)


class AgentSettings(Section):
    """Which agent new sessions get, where they work (default: where the gateway was started), and how many may live."""

    default: Literal["claude", "scripted"] = "claude"
    directory: Directory = Field(default_factory=Path.cwd)
    roots: Annotated[tuple[Directory, ...], BeforeValidator(_directories)] = Field(
        default_factory=lambda known: (known["directory"],), min_length=1, max_length=100
    )
    """`/new` works under these only; default: the directory alone."""
    max_processes: int = Field(default=4, ge=1, le=64)
    idle_minutes: Minutes = 10
    files: Directory = Field(default_factory=lambda: Path(user_cache_dir("tollbridge", appauthor=False), "files"))
    """Below it, files that people send are saved, a folder for each session: agents read them there."""
    worktrees: Directory = Field(
        default_factory=lambda: Path(user_cache_dir("tollbridge", appauthor=False), "worktrees")
    )
    """Below it, `/new project @branch` makes worktrees of the project's repository: sessions may work there too."""
    file_mb: int = Field(default=20, ge=1, le=2000)
    """The largest of them; Telegram's own server gives bots no more than 20, one of your own with `--local` up to 2000."""
    files_total_mb: int = Field(default=1000, ge=200, le=1_000_000)
    """All of them together: where they would be more, the oldest go."""
    claude: ClaudeSettings = ClaudeSettings()

    @model_validator(mode="after")
    def _directory_is_under_a_root(self) -> "AgentSettings":
        if not any(self.directory.is_relative_to(root) for root in self.roots):
            raise ValueError(f"agents.directory {self.directory} is under none of agents.roots: add one that holds it")
        return self
