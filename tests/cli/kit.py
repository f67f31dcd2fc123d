"""What the tests of the command line share: where it is started, and something for its ledger."""

import os
from pathlib import Path

from gateway.domain.money import Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Tokens
from tests.nursery import REPOSITORY as ROOT

__all__ = ["ROOT", "environment", "session", "turn", "without_settings"]

NO_LOGS = {"TOLLBRIDGE_HISTORY__READ_LOGS": "false"}


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of the tests without anything that could reach the person's own gateway, or what their agents have written."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    return plain | {"TOLLBRIDGE_HOME": str(home), "PYTHONPATH": str(ROOT)} | NO_LOGS | more


def without_settings(home: Path, **more: str) -> dict[str, str]:
    """The same for a home whose config.toml says everything, also that no logs are read: no variable decides anything."""
    return {name: value for name, value in environment(home, **more).items() if name not in NO_LOGS}


def session(number: int) -> Session:
    """One of several sessions."""
    thread = Thread("telegram", str(number))
    return Session(f"s_{number}234567890abcdef", "claude", "/srv/project", thread, "4711", 1_795_000_000_000 + number)


def turn(of: Session, spent: str) -> Turn:
    """A finished turn of the session."""
    return Turn(
        id=f"t_{of.id[2:]}",
        session_id=of.id,
        origin=Origin.PERSON,
        state=TurnState.FINISHED,
        person="4711",
        prompt="Fix it",
        prompt_uuid=of.id,
        created_at_ms=1_795_000_000_000,
        spent=Usd.parse(spent),
        tokens=Tokens(input=5, output=7),
        calls=2,
        model="claude-opus-4-8",
    )
