"""`tollbridge report`: what was spent, on what, and how good the estimates were."""

import json
from enum import StrEnum

import typer

from gateway.cli.choices import one_of, shown


class Fold(StrEnum):
    """What a team's turns are added up by."""

    PROJECT = "project"
    PERSON = "person"
    MODEL = "model"
    AGENT = "agent"


def report(
    as_json: bool = typer.Option(
        False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings."
    ),
    session: str = typer.Option("", "--session", help="Only the session with this id, or whose id begins so."),
    of_estimates: bool = typer.Option(False, "--estimates", help="How good the estimates were, instead of the costs."),
    of_team: bool = typer.Option(False, "--team", help="What the whole team spent, by its bank."),
    since: str = typer.Option(
        "", "--since", help="With --team: from which day on, like 2026-11-01 or 7d (default: this month)."
    ),
    by: Fold = typer.Option(
        Fold.PROJECT,
        "--by",
        parser=one_of(Fold),
        metavar=shown(Fold),
        help="With --team: what the turns are added up by.",
    ),
) -> None:
    """Show what every turn cost, and what stood against it."""
    from gateway.ports import TollbridgeError

    if of_team:
        if session or of_estimates:
            raise TollbridgeError(
                "the team's bank knows no sessions and no estimates: leave --session and --estimates out"
            )
        _team(since, by, as_json=as_json)
        return
    if since:
        raise TollbridgeError("--since goes with --team: without it every turn of this gateway is shown")
    from gateway.cli import ledger
    from gateway.cli.called import as_called
    from gateway.reports import cost, estimates

    account = ledger.read(session)
    if session and not account.sessions:
        raise TollbridgeError(f"there is no session {session[:40]!r}: `tollbridge sessions` lists them")
    judged = estimates.account(account.sessions, account.turns) if of_estimates else None
    if as_json:
        told = (
            cost.report(account.sessions, account.turns, account.unmetered)
            if judged is None
            else estimates.report(judged)
        )
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console

    from gateway.reports import beyond
    from gateway.reports.text import report_tables

    console = Console(highlight=False, markup=False)
    if judged is not None:
        console.print(estimates.tables(judged, console.width))
    else:
        console.print(report_tables(account.sessions, account.turns, console.width))
        untold = beyond.untold(account.sessions, account.turns, account.unlisted)
        for sentences in filter(None, (ledger.went_without(account), untold)):
            console.print(beyond.wrapped(as_called(sentences), console.width))


def _team(since: str, by: Fold, *, as_json: bool) -> None:
    from gateway.cli.bank import figures
    from gateway.reports import team

    name, since_ms, sums = figures(since)
    if as_json:
        typer.echo(json.dumps(team.report(name, since_ms, sums), indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(team.table(sums, by.value, console.width))
