"""`tollbridge sessions`: what conversations there are."""


def sessions() -> None:
    """List the sessions: where they work, how they stand, what they cost."""
    from rich.console import Console

    from gateway.cli import ledger
    from gateway.config import load
    from gateway.reports.beyond import wrapped
    from gateway.reports.text import NOTE, sessions_table

    zone = load().zone
    account = ledger.read()
    console = Console(highlight=False, markup=False)
    console.print(sessions_table(account.sessions, account.turns, zone, console.width))
    if account.sessions:
        console.print(NOTE)
    if sentence := ledger.went_without(account):
        console.print(wrapped(sentence, console.width))
