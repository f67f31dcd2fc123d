"""A made-up home of logs, as agents leave them in months of work, and what is true of it. The same for the same seed and size.

Usage: python -m benchmarks.log_tree DIRECTORY [--mb N] [--seed N]. Below the directory come `.claude/projects` and `.codex/sessions`; what is printed, as JSON,
is what was used, by agent and model. Distributions are those of real traces (calls in a turn: half at most 5, one in ten more than 29, one in a hundred more than
83); most bytes are what tools answered. The traps are real ones: blocks of one call with counts that grow, forks and resumes that copy their past, side
questions that repeat it under other request ids, sub-agents in files of their own and in progress records, spaces after colons, lines that were cut off.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from benchmarks.log_tree_claude import Claude
from benchmarks.log_tree_codex import Codex
from benchmarks.log_writing import Tree

SIZE_MB = 200
CODEX_SHARE = 0.15


class Growing:
    """A tree that can be added to: new turns in its latest sessions, and new sessions."""

    def __init__(self, root: Path, size: int, seed: int = 1) -> None:
        self.tree = Tree(root, Random(f"{seed} {size}"), size)  # noqa: S311 - a tree is repeatable
        self.claude, self.codex = Claude(self.tree), Codex(self.tree)

    def grow(self, size: int) -> None:
        """Sessions of both agents, until at least so many bytes have been added."""
        until = self.tree.written + size
        while self.tree.written < until:
            agent = self.codex if self.tree.chance(CODEX_SHARE) else self.claude
            agent.session(until)

    def go_on(self, size: int) -> None:
        """As `grow`, of which most are turns in the latest sessions."""
        until = self.tree.written + size
        while self.tree.written < until - size // 4:
            agent = self.codex if self.tree.chance(CODEX_SHARE) else self.claude
            agent.another_turn()
        self.grow(max(1, until - self.tree.written))


def build(root: Path, size: int, seed: int = 1) -> Growing:
    """A tree of at least so many bytes."""
    made = Growing(root, size, seed)
    made.grow(size)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a tree, and say what is true of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where it comes: a folder that is not there yet, or empty")
    parser.add_argument("--mb", type=float, default=SIZE_MB, help="how large it is at least")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.directory.exists() and any(given.directory.iterdir()):
        parser.error(f"{given.directory} is not empty")
    made = build(given.directory, round(given.mb * 1_000_000), given.seed)
    told = {"bytes": made.tree.written, "forms": dict(sorted(made.tree.forms.items())), "used": made.tree.truth()}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
