"""`tollbridge people`: who may do what, who said so, and how that is changed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.cli import changing
from gateway.cli.budget import iso, looked, print_table, when
from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from gateway.domain.place import Grant
    from gateway.ports import Record

PEOPLE: Final = "/v1/people"
EVERYWHERE: Final = "everywhere"
SCHEMA: Final = 1
SHOWN: Final = 40
TYPED_MAX: Final = 40
LATER: Final = "`tollbridge people` tells later what became of it"

group = typer.Typer(help="See who may do what, take that away, or give another role.", invoke_without_command=True)

_AS_JSON = typer.Option(False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings.")
_PERSON = typer.Argument(help="The number of the person.")
_CHAT = typer.Option("", help="Only in this chat: its number, or 'everywhere' for what counts everywhere.")
_NO_WAIT = typer.Option(False, "--no-wait", help="Do not wait for the answer in the chat.")


@group.callback()
def people(context: typer.Context, as_json: bool = _AS_JSON) -> None:
    """List who may do what. `tollbridge pair` lets somebody in."""
    if context.invoked_subcommand is not None:
        return
    from gateway.config import load
    from gateway.view.people_words import given_by

    settings = load()
    found = looked(lambda reader: list(reader.read(lambda view: view.all_grants())), list["Grant"]())
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "people": [_values(one) for one in found]}, indent=2))
        return
    if not found:
        typer.echo("Nobody may do anything yet: the gateway was not started, or its settings name nobody.")
        return
    rows = [
        (
            one.person,
            one.name,
            one.role.value,
            _where(one),
            "" if one.largest_raise is None else str(one.largest_raise),
            when(one.since_ms or 0, settings.zone),
            given_by(one),
        )
        for one in found
    ]
    print_table(("person", "name", "role", "chat", "largest raise>", "since", "from"), rows)


@group.command()
def remove(person: str = _PERSON, chat: str = _CHAT) -> None:
    """Take away what somebody who was paired may do. It counts at once."""
    from gateway.home import home_directory

    body = {"person": _number(person), "role": None, "chat": chat_of(chat)}
    carried_out(home_directory(), PEOPLE, body, LATER)


@group.command()
def role(
    person: str = _PERSON,
    name: str = typer.Argument(metavar="ROLE", help="owner, approver, writer or reader."),
    chat: str = _CHAT,
    largest_raise: str = typer.Option("", help="By how many dollars they may raise a limit at a time."),
    no_wait: bool = _NO_WAIT,
) -> None:
    """Give somebody who was paired another role. A lower one counts at once; a higher one waits for an owner's yes in the chat."""
    from gateway.home import home_directory

    more = {"chat": chat_of(chat), "largest_raise": largest_raise or None}
    carried_out(home_directory(), PEOPLE, {"person": _number(person), "role": name.lower(), **more}, LATER, no_wait)


@group.command()
def history(as_json: bool = _AS_JSON) -> None:
    """Show who was let in, changed or taken out, when, and by whom, newest first."""
    from gateway.config import load
    from gateway.domain.budget import EntryKind

    settings = load()
    found = looked(
        lambda reader: [one for one in reader.records() if one.entry.kind is EntryKind.GRANT], list["Record"]()
    )[::-1]
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "changes": [_change(one) for one in found]}, indent=2))
        return
    rows = [(when(one.at_ms, settings.zone), one.entry.who, _what(one), one.entry.why) for one in found[:SHOWN]]
    print_table(("when", "who", "what", "why"), rows)
    if len(found) > SHOWN:
        typer.echo(f"... and {len(found) - SHOWN} older: --json shows them.")


def carried_out(home: Path, path: str, body: Mapping[str, Any], later: str, no_wait: bool = False) -> None:
    """Ask the gateway for it, say what it says, and wait for an owner's answer. Raises TollbridgeError for everything but a yes."""
    from gateway.local import client

    told = client.ask(home, "POST", path, body)
    changing.must(told)
    state, words = told.fields["state"], told.fields["words"]
    if state not in ("done", "asked"):
        raise TollbridgeError(words)
    changing.say(words)
    if state == "asked" and not no_wait:
        changing.say(changing.wait(home, str(told.fields["id"]), later))


def chat_of(text: str) -> str | None:
    """The chat as the gateway knows it: None where none is named, empty for everywhere. Raises TollbridgeError."""
    named = text.strip().lower()
    if not named:
        return None
    if named == EVERYWHERE:
        return ""
    if not named.removeprefix("-").isdecimal() or not named.isascii():
        raise TollbridgeError(f"{text[:TYPED_MAX]!r} is no chat: write its number, or {EVERYWHERE}")
    return named


def _number(person: str) -> str:
    if not (person.isascii() and person.isdecimal()):
        raise TollbridgeError(
            f"{person[:TYPED_MAX]!r} is not the number of a person: `tollbridge people` lists them, and names count for nothing"
        )
    return person


def _where(grant: "Grant") -> str:
    return EVERYWHERE if not grant.chat else "own" if grant.chat == grant.person else grant.chat


def _values(grant: "Grant") -> dict[str, Any]:
    return {
        "person": grant.person,
        "name": grant.name,
        "role": grant.role.value,
        "chat": grant.chat or EVERYWHERE,
        "largest_raise_usd": None if grant.largest_raise is None else grant.largest_raise.exact(),
        "since": iso(grant.since_ms or 0),
        "from": grant.origin.value,
        "by": grant.by,
    }


def _what(record: "Record") -> str:
    """`8: writer in 8`, `8: writer in 8 -> nothing`."""
    detail = json.loads(record.entry.detail or "{}")
    before, after = detail.get("before"), detail.get("after")
    about = after or before or {}
    roles = [f"{one['role']}" if one else "nothing" for one in (before, after)]
    return f"{about.get('person', '?')} in {about.get('chat') or EVERYWHERE}: {' -> '.join(roles)}"


def _change(record: "Record") -> dict[str, Any]:
    entry = record.entry
    detail = json.loads(entry.detail or "{}")
    return {"entry": record.seq, "at": iso(record.at_ms), "who": entry.who, "why": entry.why, **detail}
