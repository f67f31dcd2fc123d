"""Processes of hooks, of channels and of the clients that started them, as far as their lineage and the system tell.

A lineage is a process and those above it, from itself to the first one; empty where that could not be found out.
"""

import os
from collections.abc import Sequence

from gateway.agents.claude.desk.notes import started
from gateway.processes import is_there, stat_fields


def parent_of(lineage: Sequence[int]) -> int:
    """The process that started a hook or a channel; 0: not known."""
    return lineage[1] if len(lineage) > 1 and lineage[1] > 1 else 0


def still_runs(process: int, begun: str) -> bool:
    """Whether this very process still runs, as far as it is known when that began. Not for the event loop."""
    return is_there(process) and begun in ("", started(process))


def is_above_us(process: int) -> bool:
    """Whether the gateway descends from it: then it takes in orphans, or starts what people start, and is no client of the desk. Not
    for the event loop.
    """
    above = os.getpid()
    while (fields := stat_fields(above)) is not None and (above := int(fields[1])) > 1:
        if above == process:
            return True
    return False
