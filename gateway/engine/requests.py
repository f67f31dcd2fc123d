"""What the command line wants of the limits: done at once, put to the people in the chat, or refused (rule 5 of the design).

Narrowing takes effect at once. Whatever widens takes a tap of somebody who may raise by so much; before anybody may, it takes a
terminal. What runs inside an agent changes nothing.
"""

import os
from contextlib import suppress
from pathlib import Path

import anyio
import structlog

from gateway.core import scopes
from gateway.core.change import Change, deed, heading, lowered, over_the_top, reason, stands
from gateway.core.gauges import amount, is_none, used_of
from gateway.core.pairing import may_raise
from gateway.core.until import UntilError, until_words
from gateway.domain.approval import Approval
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.change import Asker, ChangeState, Standing, Wanted
from gateway.domain.place import Deed, Grant, Role, Thread
from gateway.engine import bounds, changes, limits, people
from gateway.engine.askers import is_inside_agent, threads_of, who
from gateway.engine.decision import Draft
from gateway.engine.projects import repository
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import change_words, limits_words

log = structlog.get_logger()

QUESTIONS_MAX = 5
"""So many changes may wait for an answer: whoever is asked should be able to look at each."""
LOOK_EVERY_S = 0.25

INSIDE_AGENT = (
    "this command runs inside an agent, and agents change no limits: write it in a terminal of your own, or in the chat"
)


class RefusedError(Exception):
    """The sentence with which a change, or a question, is refused."""


async def request(world: World, wanted: Wanted, asker: Asker) -> Standing:
    """Carry out or refuse what a command line wants, or ask; only a process that descends from no agent is listened to."""
    if await is_inside_agent(world, asker):
        return Standing(ChangeState.REFUSED, INSIDE_AGENT)

    def decide(view: View) -> Decision[Standing]:
        draft = Draft()
        try:
            return draft.done(_decide(world, view, draft, wanted, asker))
        except RefusedError as refused:
            return Decision(Standing(ChangeState.REFUSED, str(refused)))

    result = (await world.commit(decide)).result
    log.info("command line", user=asker.user, wants=wanted.kind, result=result.state)
    return result


async def standing(world: World, approval_id: str, wait_ms: int) -> Standing | None:
    """How it stands with a question; waits so long at most while nobody has answered. None: there is no such question."""
    until_ticks = world.clock.ticks_ms() + wait_ms
    while True:
        found = await world.store.read(
            lambda view: changes.standing(view, approval_id) or people.standing(view, approval_id)
        )
        if found is None or found.state is not ChangeState.ASKED or world.clock.ticks_ms() >= until_ticks:
            return found
        await anyio.sleep(LOOK_EVERY_S)


def _decide(world: World, view: View, draft: Draft, wanted: Wanted, asker: Asker) -> Standing:
    scope = _scope(world, view, wanted)
    balance = bounds.balance(world, view, draft, scope)
    limit = limits.before(world, view, draft, scope, wanted.unit, raises=wanted.raises)
    if wanted.raises and limit is None:
        raise RefusedError(f"there is no limit on this {scope.kind}: there is nothing to raise")
    if limit is None and is_none(wanted.unit, wanted.amount):
        return Standing(ChangeState.DONE, f"There is no limit on this {scope.kind}.")
    if limit is None or (not wanted.raises and wanted.amount <= limit):
        return _narrow(world, view, draft, wanted, asker, balance)
    wish = change_of(world, wanted, scope, limit, user=asker.user, host=asker.host)
    grants = view.all_grants()
    if not any(may_raise(grant) for grant in grants):
        return _unasked(world, view, draft, wish, asker)
    return _ask(world, view, draft, wish, grants)


def _narrow(world: World, view: View, draft: Draft, wanted: Wanted, asker: Asker, balance: Balance) -> Standing:
    """A lower limit, or the first one: it counts at once, and is said in the chat."""
    name, why = heading(balance.scope), reason(wanted.why)
    before = limits.limit_of(balance, wanted.unit)
    if before == wanted.amount:
        return Standing(ChangeState.DONE, f"{name} is {amount(wanted.unit, wanted.amount)} already.")
    scope, by = balance.scope, who(asker.user)
    limits.set_limit(world, view, draft, scope, wanted.unit, wanted.amount, who=by, why=why or change_words.BUDGET_SET)
    now = bounds.balance(world, view, draft, balance.scope)
    for thread in threads_of(world, view.all_grants(), Deed.APPROVE, None):
        draft.say(world.notice(thread, lowered(now, wanted.unit, wanted.amount, before, (asker.user, asker.host), why)))
    was = f", it was {amount(wanted.unit, before)}" if before is not None else ""
    used = limits_words.used_of_it(wanted.unit, used_of(now, wanted.unit))
    return Standing(ChangeState.DONE, f"{name} is {amount(wanted.unit, wanted.amount)}{was}. {used}")


def _unasked(world: World, view: View, draft: Draft, wish: Change, asker: Asker) -> Standing:
    """Nobody who could say yes is known yet: the person at this machine's terminal decides."""
    if not asker.terminal:
        raise RefusedError("nobody is there yet who could say yes in a chat: until then a terminal is needed for this")
    changes.carry_out(world, view, draft, wish, who(asker.user))
    return Standing(ChangeState.DONE, f"{stands(wish)}.")


def _ask(world: World, view: View, draft: Draft, wish: Change, grants: tuple[Grant, ...]) -> Standing:
    if found := asked_already(view, wish):
        return changes.standing(view, found.id) or _gone()
    waiting = {one.request for one in map(changes.change_of, changes.open_questions(view)) if not one.agent}
    if len(waiting) >= QUESTIONS_MAX:  # what agents ask has a limit of its own: it keeps nobody from this
        raise RefusedError(f"{QUESTIONS_MAX} changes wait for an answer in the chat already: answer them there first")
    threads = threads_of(world, grants, Deed.RAISE, wish.dollars)
    if not threads:
        what = "take a limit away" if wish.takes_away else f"raise a limit by {amount(wish.unit, wish.by)}"
        raise RefusedError(f"nobody may {what}: see largest_raise_usd in the settings")
    asked = changes.ask(world, view, draft, wish, threads)
    people = ", ".join(thread.chat for thread in threads)
    words = f"Asked in the chat of {people}: {deed(wish)}."
    return Standing(ChangeState.ASKED, words, asked.id, asked.expires_at_ms)


def asked_already(view: View, wish: Change) -> Approval | None:
    """The open question for the same change, asked for the same reason."""
    return next((one for one in changes.open_questions(view) if changes.change_of(one).same(wish)), None)


def _gone() -> Standing:
    raise AssertionError("an open question has a standing")


def change_of(
    world: World, wanted: Wanted, scope: Scope, before: int, *, user: str, host: str, agent: str = ""
) -> Change:
    """What is wanted as a change of this limit. Raises RefusedError."""
    now_ms, zone = world.clock.now_ms(), world.rules.timezone
    try:
        until_ms = limits.over_at_ms(world, scope.kind, wanted.until) if wanted.raises or wanted.until else None
    except UntilError as error:
        raise RefusedError(str(error)) from None
    change = Change(
        request=world.clock.new_id("change"),
        scope=scope,
        raises=wanted.raises,
        amount=wanted.amount,
        before=before,
        user=reason(user),
        host=reason(host),
        why=reason(wanted.why),
        until_ms=until_ms,
        until="" if until_ms is None else until_words(until_ms, now_ms, zone),
        unit=wanted.unit,
        agent=agent,
    )
    if refusal := over_the_top(change):
        raise RefusedError(refusal)
    return change


# ------------------------------------------------------------------------------------------------------ who, and which
def _scope(world: World, view: View, wanted: Wanted) -> Scope:
    match wanted.kind:
        case ScopeKind.SESSION:
            return Scope(ScopeKind.SESSION, _session(view, wanted.session))
        case ScopeKind.PROJECT:
            return Scope(ScopeKind.PROJECT, _project(world, wanted.directory))
    person = _person(view, wanted)
    thread = Thread(world.chat.service, wanted.chat or person)
    return next(
        scope
        for scope in scopes.of_person(person, bounds.account(world, thread), world.today())
        if scope.kind is wanted.kind
    )


def _session(view: View, beginning: str) -> str:
    if not beginning:
        raise RefusedError("which session: add --session ID (`tollbridge sessions` lists them)")
    found = view.sessions_named(beginning, 2)
    if len(found) != 1:
        how_many = "more than one session begins" if found else "there is no session that begins"
        raise RefusedError(f"{how_many} with {beginning[:40]!r}: `tollbridge sessions` lists them")
    return found[0].id


def _project(world: World, directory: str) -> str:
    known, here = Path(world.rules.directory), Path(directory)
    try:
        # The settings' own directory may go through a link: its sessions count under the name that it has there.
        if os.path.realpath(known) == os.path.realpath(here):
            here = known
        if here.is_absolute():
            with suppress(FileNotFoundError):
                here.lstat()
            root = repository(here)
            if not root and here != known and _holds_projects(here):
                raise RefusedError(
                    f"{here} is no project, it holds them: run this in the directory of the one that you mean"
                )
            return root or str(here)
    except (OSError, ValueError):  # not to be looked into, a name too long, a NUL
        pass
    raise RefusedError("which project: run this in its directory")


def _holds_projects(place: Path) -> bool:
    """Whether it is the whole machine, or a person's own directory as a whole."""
    return os.path.realpath(place) in {"/", os.path.realpath(os.path.expanduser("~"))}  # noqa: PTH111 - falls back to the user database


def _person(view: View, wanted: Wanted) -> str:
    """The person that is meant, or the one owner. Who is meant does not matter for a day, a week, a month, or a chat that is named."""
    grants = view.all_grants()
    if wanted.kind is ScopeKind.PERSON and wanted.person:
        if wanted.person not in {grant.person for grant in grants}:
            raise RefusedError(f"{wanted.person[:40]!r} is nobody who may write to this gateway")
        return wanted.person
    if wanted.kind not in (ScopeKind.PERSON, ScopeKind.CHAT) or wanted.chat:
        return ""
    owners = {grant.person for grant in grants if grant.role is Role.OWNER}
    if len(owners) != 1:
        raise RefusedError(f"which {wanted.kind}: there is more than one owner, or none; add --{wanted.kind} NUMBER")
    return owners.pop()
