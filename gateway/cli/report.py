"""`tollbridge report`: what was spent, on what, and how good the estimates were."""

import json

import typer


def report(
    as_json: bool = typer.Option(
        False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings."
    ),
    session: str = typer.Option("", "--session", help="Only the session with this id, or whose id begins so."),
    of_estimates: bool = typer.Option(False, "--estimates", help="How good the estimates were, instead of the costs."),
) -> None:
    """Show what every turn cost, and what stood against it."""
    from gateway.cli import ledger
    from gateway.ports import TollbridgeError
    from gateway.reports import cost, estimates

    account = ledger.read(session)
    if session and not account.sessions:
        raise TollbridgeError(f"there is no session {session[:40]!r}: `tollbridge sessions` lists them")
    judged = estimates.account(account.sessions, account.turns) if of_estimates else None
    if as_json:
        told = cost.report(account.sessions, account.turns) if judged is None else estimates.report(judged)
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console

    from gateway.reports.text import report_tables

    console = Console(highlight=False, markup=False)
    if judged is not None:
        console.print(estimates.tables(judged, console.width))
    else:
        console.print(report_tables(account.sessions, account.turns, console.width))
