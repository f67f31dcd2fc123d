"""`tollbridge report`: what was spent, on what, what stands out, and how good the estimates were."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import typer

from gateway.cli.called import as_called
from gateway.cli.choices import one_of, shown
from gateway.domain.spending import By

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.cli.spending import Found
    from gateway.reports.looks import Look

TOP: Final = 8
TEAM_BY: Final = (By.PROJECT, By.PERSON, By.MODEL, By.AGENT)
BUSY: Final = "tollbridge: another scan is reading the logs: what it has not read yet is not in the figures"
_NO_AGENTS: Final = "No logs of Claude Code, Codex, OpenCode or Gemini CLI were found in this home directory."
_NEXT: Final = (
    "Once an agent has worked on this machine, this shows what it used, priced. `tollbridge scan PATH` reads logs from elsewhere, "
    "and `tollbridge setup` puts limits on what agents may spend."
)


class Named(StrEnum):
    """A period by its name."""

    TODAY = "today"
    WEEK = "week"
    MONTH = "month"
    ALL = "all"


HEADINGS: Final = {Named.TODAY: "Today", Named.WEEK: "Last 7 days", Named.MONTH: "Last 30 days", Named.ALL: "All"}


def report(  # noqa: PLR0913, PLR0917 - an option each
    named: Named = typer.Argument(
        None,
        parser=one_of(Named),
        metavar="|".join(Named),  # typer puts the brackets of what may be left out around it
        show_default=False,
        help="The last 1, 7 or 30 days, today included, or all. Without it: month.",
    ),
    since: str = typer.Option("", "--since", help="From this day on: 2026-11-01, 2026-10 (that month), or 7d."),
    until: str = typer.Option(
        "", "--until", help="Up to this day, which is the last one: 2026-11-20, 2026-10, or 7d (seven days ago)."
    ),
    by: By = typer.Option(
        None,
        "--by",
        parser=one_of(By),
        metavar=shown(By),
        show_default=False,
        help="What it is added up by. Without it: session; with --team and --outcomes project.",
    ),
    top: int | None = typer.Option(
        None, "--top", min=0, show_default=False, help="How many groups are shown, the dearest (0: all; without it 8)."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for programs, amounts as decimal strings."),
    as_csv: bool = typer.Option(False, "--csv", help="Print a line for each group, for spreadsheets: all of them."),
    as_markdown: bool = typer.Option(
        False, "--markdown", help="Print a table to paste into an issue or a pull request."
    ),
    timezone: str = typer.Option(
        "", "--timezone", help="Where days begin and end, like Europe/Berlin (default: the settings')."
    ),
    no_logs: bool = typer.Option(
        False, "--no-logs", help="Leave agents' own logs out: only what the gateway has metered."
    ),
    session: str = typer.Option(
        "",
        "--session",
        help="The turns of the session with this id, or whose id begins so: the gateway's, or one in agents' logs.",
    ),
    of_estimates: bool = typer.Option(False, "--estimates", help="How good the estimates were, instead of the costs."),
    of_outcomes: bool = typer.Option(
        False, "--outcomes", help="What came of it: commits, what survives of them, and what ended with nothing."
    ),
    no_look: bool = typer.Option(
        False, "--no-look", help="With --outcomes: do not look into repositories for what became of commits."
    ),
    of_team: bool = typer.Option(False, "--team", help="What the whole team spent, by its bank."),
) -> None:
    """Show what was spent, on what, and what stands out: by the gateway's ledger and by agents' own logs, what both tell once."""
    from gateway.domain.errors import TollbridgeError

    forms = {"--json": as_json, "--csv": as_csv, "--markdown": as_markdown}
    if len([form for form in forms.values() if form]) > 1:
        raise TollbridgeError("--json, --csv and --markdown are three forms of one report: choose one")
    given = {name for name, is_given in forms.items() if is_given}
    given |= {name for name, value in (("--since", since), ("--until", until), ("--timezone", timezone)) if value}
    given |= {
        name
        for name, is_given in (
            ("--no-logs", no_logs),
            ("--top", top is not None),
            ("--by", by is not None),
            ("--outcomes", of_outcomes),
            ("--no-look", no_look),
        )
        if is_given
    }
    given |= {str(named)} if named else set()
    if of_team:
        also = {name for name, is_given in (("--session", session), ("--estimates", of_estimates)) if is_given}
        _refuse("--team", given - {"--since", "--by", "--json"} | also)
        _team(since, by or By.PROJECT, as_json=as_json)
    elif session or of_estimates:
        _refuse("--estimates" if of_estimates else "--session", given - {"--json"})
        _turns(session, as_json=as_json, of_estimates=of_estimates)
    else:
        if named and (since or until):
            raise TollbridgeError(f"{named} is a period by itself: leave it out, or --since and --until")
        if top is not None and by in (By.DAY, By.PERSON):
            raise TollbridgeError(f"--top does not go with --by {by}: all of them are shown, in their order")
        if no_look and not of_outcomes:
            raise TollbridgeError("--no-look goes with --outcomes: add that, or leave it out")
        shows = (0 if as_csv else TOP) if top is None else top
        form = next(iter(given & set(forms)), "")
        if of_outcomes:
            from gateway.cli import results

            asked = results.asked(named or "", since, until, by or By.PROJECT, shows, _zone(timezone), logs=not no_logs)
            found = results.gather(asked, looks=not no_look)
            _say_busy(found)
            results.show(found, asked, _heading(named or "", since, until), _look(asked.zone, found), form)
            return
        _spent(named or "", since, until, by or By.SESSION, shows, timezone, no_logs=no_logs, form=form)


def _refuse(option: str, others: set[str]) -> None:
    from gateway.domain.errors import TollbridgeError

    if others:
        raise TollbridgeError(f"{' and '.join(sorted(others))} does not go with {option}: leave one of them out")


def _spent(named: str, since: str, until: str, by: By, top: int, timezone: str, *, no_logs: bool, form: str) -> None:
    from gateway import clock
    from gateway.cli.spending import Asked, gather

    zone = _zone(timezone)
    found = gather(Asked(named, since, until, by, top, zone, clock.now_ms(), logs=not no_logs))
    look = _look(zone, found)
    _say_busy(found)
    told = found.spending
    heading = _heading(named, since, until)
    if not form:
        typer.echo(_text(found, heading, look, no_logs=no_logs))
        return
    from gateway.reports import cost, spending_values

    if form == "--json":
        values = spending_values.as_values(told, look) | {"unmetered": [cost.without(one) for one in found.unmetered]}
        values |= {"unreadable": found.unreadable}
        typer.echo(json.dumps(values, indent=2))
    elif form == "--csv":
        typer.echo(spending_values.as_csv(told, look), nl=False)
    else:
        typer.echo(spending_values.as_markdown(told, heading, look), nl=False)


def _heading(named: str, since: str, until: str) -> str:
    return HEADINGS[Named(named or "month")] if not since and not until else "Spent"


def _say_busy(found: "Found") -> None:
    if found.busy:
        typer.echo(
            "tollbridge: another scan is reading the logs: what it has not read yet is not in the figures", err=True
        )


def _text(found: "Found", heading: str, look: "Look", *, no_logs: bool) -> str:
    from gateway.core.periods import LENGTHS, on
    from gateway.domain.spending import Source
    from gateway.reports import beyond, spending

    told = found.spending
    nothing = not told.total.calls and not told.total.turns
    lines = [] if nothing and found.latest_ms is None else [spending.text(told, heading, look)]
    sentences: list[str] = []
    if nothing:
        if found.latest_ms is not None:
            at = on(found.latest_ms, look.zone)
            is_month = heading in HEADINGS.values() and 0 <= (told.period.last - at.date()).days < LENGTHS["month"]
            wider = "tollbridge report" if is_month else "tollbridge report all"
            sentences = [f"Something was spent at other times, last on {at.day} {at:%b %Y}: `{wider}`."]
        else:
            looked = [_NO_AGENTS] if not found.looked and not no_logs else []
            sentences = ["Nothing was spent yet.", *looked, _NEXT]
    elif not told.by_source[Source.GATEWAY].turns:
        sentences = ["`tollbridge setup` puts limits on what agents may spend from now on."]
    else:
        sentences = ["What came of it: `tollbridge report --outcomes`."]
    if found.unreadable:
        some = "1 record" if found.unreadable == 1 else f"{found.unreadable:,} records"
        sentences.append(f"{some} of agents' logs could not be understood, and may have told a call.")
    if found.unmetered:
        import os

        sentences.append(beyond.went_without(found.unmetered, look.zone, os.environ.get("HOME", "")))
    if found.at_desk:
        sentences.append(beyond.unseen(told.unlisted))
    lines += [beyond.wrapped(as_called(sentence), look.columns) for sentence in sentences]
    return "\n".join(lines)


def _look(zone: "tzinfo", found: "Found") -> "Look":
    return _look_at(zone, found.names)


def _look_at(zone: "tzinfo", names: dict[str, str]) -> "Look":
    import os
    import shutil
    import sys

    from gateway.reports.drawn import Pen
    from gateway.reports.looks import Look

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Look(zone, shutil.get_terminal_size().columns, Pen(colour), os.environ.get("HOME", ""), names)


def _zone(name: str) -> "tzinfo":
    """The zone of this name, or the settings'. Raises TollbridgeError."""
    from gateway.domain.errors import TollbridgeError

    if not name:
        from gateway import config

        return config.load().zone
    from gateway.config.values import zone_of

    try:
        return zone_of(name)
    except ValueError as error:
        raise TollbridgeError(f"--timezone: {error}") from None


def _turns(session: str, *, as_json: bool, of_estimates: bool) -> None:
    from gateway.cli import ledger
    from gateway.domain.errors import TollbridgeError
    from gateway.home import home_directory
    from gateway.reports import cost, estimates
    from gateway.store.home import DATABASE

    if session and not of_estimates and not (home_directory() / DATABASE).exists():
        _logged(session, as_json=as_json)
        return
    account = ledger.read(session)
    if session and not account.sessions:
        if of_estimates:
            raise TollbridgeError(f"there is no session {session[:40]!r}: `tollbridge sessions` lists them")
        _logged(session, as_json=as_json)
        return
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


def _logged(session: str, *, as_json: bool) -> None:
    """A session that the gateway does not know, by its agent's log."""
    from gateway import clock
    from gateway.cli.spending import logged_session
    from gateway.domain.errors import TollbridgeError
    from gateway.reports import logged_session as told

    zone = _zone("")
    found, busy = logged_session(session, zone, clock.now_ms())
    if busy:
        typer.echo(BUSY, err=True)
    if not found:
        raise TollbridgeError(
            f"there is no session {session[:40]!r}, neither the gateway's nor in agents' logs: `tollbridge report` and "
            "`tollbridge sessions` show their ids"
        )
    typer.echo(json.dumps(told.as_values(found), indent=2) if as_json else told.text(found, _look_at(zone, {})))


def _team(since: str, by: By, *, as_json: bool) -> None:
    from gateway.cli.bank import figures
    from gateway.domain.errors import TollbridgeError
    from gateway.reports import team

    if by not in TEAM_BY:
        raise TollbridgeError(f"the team's bank knows no {by}s: with --team it is --by {', '.join(TEAM_BY)}")
    name, since_ms, sums = figures(since)
    if as_json:
        typer.echo(json.dumps(team.report(name, since_ms, sums), indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(team.table(sums, by.value, console.width))
