"""The command groups together, and the edge at which every error becomes one sentence and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from gateway.cli.called import as_called, program
from gateway.domain.errors import TollbridgeError

FAILED = 1
INTERRUPTED = 130


def application(first: str = "") -> typer.Typer:
    """The command line, one command per group. `first`: the first word that was given; a report has no use for all the others."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Drive coding agents from Telegram, with every turn estimated, held, confirmed, metered and settled.",
    )
    app.callback()(_options)
    if first == "report":
        from gateway.cli.report import report

        app.command()(report)
        return app
    _all(app)
    return app


def _all(app: typer.Typer) -> None:
    from gateway.cli import bank, budget, hooks, mcp, people, plugin
    from gateway.cli.demo import demo
    from gateway.cli.doctor import doctor
    from gateway.cli.export import group as export
    from gateway.cli.forget import forget
    from gateway.cli.pair import pair
    from gateway.cli.report import report
    from gateway.cli.reprice import reprice
    from gateway.cli.scan import scan
    from gateway.cli.sessions import sessions
    from gateway.cli.setup import setup
    from gateway.cli.up import down, up

    for command in (up, down, setup, pair, doctor, sessions, report, reprice, scan, demo, forget):
        app.command()(command)
    app.add_typer(people.group, name="people")
    app.add_typer(budget.group, name="budget")
    app.add_typer(bank.group, name="bank")
    app.add_typer(export, name="export")
    app.add_typer(hooks.group, name="hooks")
    app.add_typer(mcp.group, name="mcp")
    app.add_typer(plugin.group, name="plugin")


def run(arguments: Sequence[str]) -> int:
    """Run one command line: 0 if all went well, 1 after an error sentence, 2 for a command that does not exist, 130 after Ctrl-C."""
    try:
        application(arguments[0] if arguments else "")(args=list(arguments), prog_name=program())
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except TollbridgeError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _failed(_of_the_system(error))
    except BaseExceptionGroup as group:
        return _grouped(group)
    return 0


def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        from gateway.cli import VERSION

        typer.echo(f"tollbridge {VERSION}")
        raise typer.Exit
    del context


def _failed(sentence: str) -> int:
    sys.stderr.write(f"tollbridge: {as_called(' '.join(sentence.split()))}\n")
    return FAILED


def _of_the_system(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.EROFS:
        return f"the file system is read-only{where}: set TOLLBRIDGE_HOME to a directory that can be written to"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full{where}: make room and start again; nothing that was accepted is lost"
    return f"{error.strerror or type(error).__name__}{where}"


def _grouped(group: BaseExceptionGroup[BaseException]) -> int:
    """Tasks that run side by side fail as a group: what a person can mend in it is said, anything else is a bug and shows."""
    errors = _leaves(group)
    known = [error for error in errors if isinstance(error, TollbridgeError)]
    if known and all(isinstance(error, TollbridgeError | KeyboardInterrupt) for error in errors):
        return _failed(str(known[0]))
    if all(isinstance(error, KeyboardInterrupt) for error in errors):
        return INTERRUPTED
    if all(isinstance(error, BrokenPipeError) for error in errors):
        return _unread()
    raise group


def _unread() -> int:
    """Nobody reads our output any more (`| head`): no error to tell, and what is still buffered goes nowhere."""
    with suppress(OSError):  # an output without a descriptor has nothing to flush at exit either
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return FAILED


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
