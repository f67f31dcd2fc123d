"""`tollbridge doctor`: what is wrong, and how to mend it."""

import json
import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from gateway.cli.called import as_called

if TYPE_CHECKING:
    from gateway.cli.checks import Check

_WIDTH: Final = 80
_MARGIN: Final = 6


def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs: schema 1."),
) -> None:
    """Look for what is wrong and say how to mend it; exit code 1 if the gateway cannot work."""
    from gateway import clock
    from gateway.cli.checks import Status, everything

    found = list(everything(os.environ, clock.now_ms))
    failed = any(check.status is Status.FAIL for check in found)
    typer.echo(as_text(found) if not as_json else json.dumps(as_values(found), indent=2))
    if failed:
        raise typer.Exit(1)


def as_values(found: "Sequence[Check]") -> dict[str, object]:
    """The findings as JSON values; `ok` is false if anything failed."""
    checks = [
        {
            "name": check.name,
            "status": check.status.value,
            "found": as_called(check.found),
            "mend": as_called(check.mend),
        }
        for check in found
    ]
    return {"schema": 1, "ok": all(check.status.value != "fail" for check in found), "checks": checks}


def as_text(found: "Sequence[Check]") -> str:
    """The findings as lines of at most 80 columns, the way to mend each below it, and a summary."""
    lines: list[str] = []
    for check in found:
        lines += _paragraph(check.status.value, f"{check.name}: {as_called(check.found)}")
        if check.mend:
            lines += _paragraph("", f"-> {as_called(check.mend)}")
    failures, warnings = (sum(check.status.value == status for check in found) for status in ("fail", "warn"))
    verdict = f"{failures} to mend before the gateway can work" if failures else "Ready"
    lines.append(f"\n{verdict}, {warnings} to look at." if warnings else f"\n{verdict}.")
    return "\n".join(lines)


def _paragraph(mark: str, text: str) -> list[str]:
    first, rest = mark.ljust(_MARGIN), " " * _MARGIN
    # A path stays whole, even where it is longer than a line, so that it can be copied.
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
    )
