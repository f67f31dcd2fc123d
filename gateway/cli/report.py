"""`tollbridge report`: what was spent, on what."""

import json

import typer


def report(
    as_json: bool = typer.Option(
        False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings."
    ),
    session: str = typer.Option("", "--session", help="Only the session with this id, or whose id begins so."),
) -> None:
    """Show what every turn cost, and what stood against it."""
    from gateway.cli import ledger
    from gateway.ports import TollbridgeError
    from gateway.reports import cost

    account = ledger.read(session)
    if session and not account.sessions:
        raise TollbridgeError(f"there is no session {session[:40]!r}: `tollbridge sessions` lists them")
    if as_json:
        typer.echo(json.dumps(cost.report(account.sessions, account.turns), indent=2))
        return
    from rich.console import Console

    from gateway.reports.text import report_tables

    console = Console(highlight=False, markup=False)
    console.print(report_tables(account.sessions, account.turns, console.width))
