"""/settings, /model, /mode and /help: what a person chooses for a chat or a session, by buttons or in writing."""

import re
from collections.abc import Iterator
from dataclasses import replace

from gateway.core import digest, offers, preferences
from gateway.core.access import may
from gateway.core.estimate import on_model
from gateway.core.forecast import HISTORY_MAX
from gateway.core.preferences import NEVER, Mode, Model, Settings, Topic
from gateway.domain.approval import Approval
from gateway.domain.events import Message
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Session
from gateway.domain.preferences import Preferences, Verbosity
from gateway.domain.turn import TurnState
from gateway.domain.usage import Rates
from gateway.engine import bounds, menus
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import preference_words as words

MODELS_SHOWN_MAX = 8
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,99}", re.ASCII)
_BACK = (words.BACK, "settings")


def needed(intent: Settings | Model | Mode) -> Deed:
    """What a person has to be allowed for it; what widens is looked at where it is known that it does."""
    changes = intent.value if isinstance(intent, Settings) else intent.name
    return Deed.COMMAND if changes else Deed.READ


def show_help(world: World, view: View, draft: Draft, message: Message) -> None:
    """What this person may do here."""
    grants = view.grants(message.person)
    mine = offers.commands(offers.deeds(grants, message.thread))
    role = offers.role(grants, message.thread)
    draft.say(world.notice(message.thread, words.help_for((one.name for one in mine), str(role or ""))))


# ------------------------------------------------------------------------------------------------------------ /settings
def settings(
    world: World, view: View, draft: Draft, message: Message, wanted: Settings, menu: Approval | None = None
) -> None:
    """Show what can be chosen, or choose it. `menu`: whose button said so; it goes on to show what is so then."""
    now = view.preferences(message.thread)
    if wanted.value:
        after = _chosen(world, now, wanted, message)
        refusal = after if isinstance(after, str) else _refusal(world, view, message, now, after)
        if isinstance(after, str) or refusal:
            draft.say(world.notice(message.thread, refusal))
            return
        draft.put.append(after)
        was, counts = bounds.asked_above(world, view, now), bounds.asked_above(world, view, after)
        if was != counts:
            draft.entries.append(preferences.threshold_entry(after, was, counts, message.person))
        now, wanted = after, Settings()
    text, entries = _shown(world, view, message, now, wanted.topic)
    _say(world, draft, message, menu, text, entries)


def _chosen(world: World, now: Preferences, wanted: Settings, message: Message) -> Preferences | str:
    after = preferences.chosen(now, wanted, message.person)
    if isinstance(after, str) or wanted.topic is not Topic.DIGEST:
        return after
    person = message.person if message.thread.chat == message.person else ""
    return digest.chosen(now, after, person, world.clock.now_ms(), world.rules.timezone)


def _say(
    world: World, draft: Draft, message: Message, menu: Approval | None, text: str, entries: menus.Entries
) -> None:
    if menu is not None:
        menus.renew(world, draft, menu, text, entries)
    elif entries:
        menus.show(world, draft, message.thread, text, entries)
    else:
        draft.say(world.notice(message.thread, text))


def _refusal(world: World, view: View, message: Message, before: Preferences, after: Preferences) -> str:
    """Why this person may not choose this; empty if they may."""
    if after.confirm_above == before.confirm_above:
        return ""
    # What counts now, whatever was chosen by somebody who is no owner any more.
    counts = replace(before, confirm_above=bounds.asked_above(world, view, before))
    deed = preferences.needed(world.rules.confirm_above, counts, after)
    if may(view.grants(message.person), deed, message.thread):
        return ""
    return words.MAY_NOT_RAISE if deed is Deed.RAISE else words.ONLY_OWNERS


def _shown(
    world: World, view: View, message: Message, now: Preferences, topic: Topic
) -> tuple[str, tuple[tuple[str, str], ...]]:
    own, zone = world.rules.confirm_above, str(world.rules.timezone)
    above = bounds.asked_above(world, view, now)
    match topic:
        case Topic.SHOW:
            choices = ((one.value, words.ticked(one.value, now=one is now.verbosity)) for one in Verbosity)
            return words.choose_shown(now), _entries("settings show", choices)
        case Topic.ASK:
            return words.choose_amount(now, own, above, NEVER), _entries("settings ask", _amounts(now, own))
        case Topic.QUIET:
            hours = (*preferences.NIGHTS, words.NONE)
            choices = ((one, words.ticked(one, now=one == (now.quiet or words.NONE))) for one in hours)
            return words.choose_quiet(now, zone), _entries("settings quiet", choices)
        case Topic.DIGEST:
            times = (*preferences.DIGESTS, words.OFF)
            choices = ((one, words.ticked(one, now=one == (now.digest or words.OFF))) for one in times)
            return words.choose_digest(now, zone), _entries("settings digest", choices)
        case _:
            session = view.current_session(message.thread)
            entries = (
                (words.show_button(now.verbosity), "settings show"),
                (words.ask_button(above, NEVER), "settings ask"),
                (words.quiet_button(now.quiet), "settings quiet"),
                (words.digest_button(now.digest), "settings digest"),
                (words.MODEL_BUTTON, "model"),
            )
            model = None if session is None else session.model
            return words.settings(now, own, above, NEVER, zone, model), entries


def _amounts(now: Preferences, own: Usd) -> Iterator[tuple[str, str]]:
    for amount in preferences.AMOUNTS:
        yield amount.exact(), words.ticked(str(amount), now=amount == now.confirm_above)
    yield words.DEFAULT, words.ticked(words.default_button(own), now=now.confirm_above is None)
    yield words.NEVER, words.ticked(words.ask_button(NEVER, NEVER), now=now.confirm_above == NEVER)


def _entries(command: str, choices: Iterator[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Buttons: each value with its label."""
    return (*((label, f"{command} {value}") for value, label in choices), _BACK)


# --------------------------------------------------------------------------------------------------------------- /model
def model(
    world: World, view: View, draft: Draft, message: Message, wanted: Model, menu: Approval | None = None
) -> None:
    """Show the session's model and others, or have it go on with one."""
    session = view.current_session(message.thread)
    text, entries = _model(world, view, draft, message, session, wanted)
    back = (_BACK,) if menu is not None else ()
    _say(world, draft, message, menu, text, (*entries, *back))


def _model(
    world: World, view: View, draft: Draft, message: Message, session: Session | None, wanted: Model
) -> tuple[str, tuple[tuple[str, str], ...]]:
    fixed = _fixed(world, session)
    if session is None or fixed:
        return fixed, ()
    if not wanted.name:
        return _models(world, view, message, session)
    return _go_on(world, view, draft, session, wanted.name), ()


def _fixed(world: World, session: Session | None) -> str:
    """Why the session's model cannot be changed from here; empty if it can."""
    if session is None:
        return words.NO_SESSION
    traits = world.agents[session.agent].traits
    if traits.attached:
        return words.at_desk(traits.label)
    return "" if traits.switches_model else words.one_model(traits.label)


def _go_on(world: World, view: View, draft: Draft, session: Session, name: str) -> str:
    """The session goes on with this model."""
    if not _MODEL.fullmatch(name):
        return words.WRONG_MODEL
    if name == session.model:
        return words.model_is_so(name)
    draft.put.append(on_model(session, name))
    price = _price(world, name)
    running = any(turn.state in (TurnState.RUNNING, TurnState.PAUSED) for turn in view.open_turns(session.id))
    return words.model_chosen(name, price, running=running) if price else words.unknown_price(name)


def _models(world: World, view: View, message: Message, session: Session) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The usual ones: of the settings, and what this person's turns ran on."""
    past = view.past_turns(message.person, session.agent, HISTORY_MAX)
    usual = (world.rules.model, world.rules.cheaper_model, session.model, *(one.model for one in past))
    found = [one for one in dict.fromkeys(usual) if one][:MODELS_SHOWN_MAX]
    price = "" if session.model is None else _price(world, session.model) or words.UNKNOWN_PRICE
    others = [one for one in found if one != session.model]
    lines = [words.model_line(one, _price(world, one) or words.UNKNOWN_PRICE) for one in others]
    about = [words.CHOOSE_MODEL, *lines] if lines else [words.NO_MODELS_YET]
    entries = tuple((one, f"model {one}") for one in others)
    return "\n".join([words.model_now(session.model, price), "", *about]), entries


def _price(world: World, name: str) -> str:
    """What a model costs; empty: nobody knows."""
    rates = world.rates(name)
    return words.price(Usd(rates.input), Usd(rates.output)) if isinstance(rates, Rates) else ""


# ---------------------------------------------------------------------------------------------------------------- /mode
def mode(world: World, view: View, draft: Draft, message: Message, wanted: Mode, menu: Approval | None = None) -> None:
    """Show the session's mode and others, or have it go on in one."""
    session = view.current_session(message.thread)
    text, entries = _mode(world, view, draft, message, session, wanted.name.lower())
    _say(world, draft, message, menu, text, entries)


def _mode(
    world: World, view: View, draft: Draft, message: Message, session: Session | None, wanted: str
) -> tuple[str, tuple[tuple[str, str], ...]]:
    if session is None:
        return words.NO_SESSION, ()
    traits = world.agents[session.agent].traits
    if traits.attached or not traits.modes:
        return (words.at_desk if traits.attached else words.no_modes)(traits.label), ()
    now = session.mode or traits.modes[0]
    if not wanted:
        others = [one for one in traits.modes if one != now]
        text = "\n".join([words.mode_now(now), "", *map(words.mode_line, others)])
        return text, tuple((one, f"mode {one}") for one in others)
    if wanted not in traits.modes:
        return words.no_such_mode(wanted[:32], traits.modes), ()
    # What is not asked about is answered before it is asked: for that it takes who may answer.
    if wanted in traits.unasking and not may(view.grants(message.person), Deed.APPROVE, message.thread):
        return words.MAY_NOT_UNASK, ()
    draft.put.append(replace(session, mode="" if wanted == traits.modes[0] else wanted))
    return words.mode_chosen(wanted), ()
