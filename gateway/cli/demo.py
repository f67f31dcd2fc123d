"""`tollbridge demo`: the whole gateway with a phone in the terminal and a scripted agent, without accounts or network."""

import typer


def demo(
    unattended: bool = typer.Option(False, "--unattended", help="Play it through without key presses."),
) -> None:
    """See it work: a confirmed turn, a pause at the limit, a refusal."""
    from gateway.app import run_demo

    run_demo(unattended=unattended)
