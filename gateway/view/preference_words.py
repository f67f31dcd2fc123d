"""What people choose for a chat, and how it stands there: /settings, /model, /mode, /status, and /help for those who read it."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.domain.money import Usd
from gateway.domain.preferences import Preferences, Traffic, Verbosity
from gateway.domain.turn import TurnState
from gateway.view import command_words
from gateway.view.figure_words import calls, duration

LANGUAGES: Final = ("",)
"""The languages in which commands are described, as two letters; the empty one is for everybody else, and is English."""
DESCRIPTION_CHARACTERS_MAX: Final = 256
NEVER: Final = "never"
DEFAULT: Final = "default"
NONE: Final = "none"
OFF: Final = "off"
"""What is written behind a command stays as it is, whatever the language."""
BACK: Final = "Back"
MODEL_BUTTON: Final = "Model"
FOR_STRANGERS: Final = "begin"
"""What /start is to who was not let in: every bot has it."""


def described(words: str, usage: str, language: str = "") -> str:  # noqa: ARG001 - there is one language so far
    """A command in the chat's menu; `usage` only where something can be written behind it."""
    return (f"{words} ({usage})" if usage else words)[:DESCRIPTION_CHARACTERS_MAX]


# ---------------------------------------------------------------------------------------------------------------- /help
def help_for(names: Iterable[str], role: str) -> str:
    """The help for somebody who may use these commands; `role`: what they are here."""
    known = frozenset(names)
    lines = [
        f"{command_words.usage(name, arguments)} - {words}"
        for name, arguments, words in command_words.COMMANDS
        if name in known
    ]
    if role == READER:
        return "\n".join([_ROLES[role], "", *lines])
    return "\n".join([command_words.HELP_BEGINS, "", *lines, "", command_words.HELP_ENDS, _ROLES.get(role, "")]).strip()


READER: Final = "reader"
_ROLES: Final = {
    READER: "You may read here: who gives work, answers questions or raises limits is decided by an owner.",
    "writer": "You may give work and stop it here; questions about money and tools are answered by others.",
    "approver": "You may give work, answer questions and raise limits here.",
    "owner": "You own this gateway.",
}


# ------------------------------------------------------------------------------------------------------------ /settings
HOW_TO_SET: Final = (
    "Write /settings, or /settings show brief, /settings ask 1, /settings quiet 22:00-07:00, /settings digest 08:30."
)
HOW_TO_SHOW: Final = "Write /settings show quiet, /settings show brief or /settings show full."
MAY_NOT_RAISE: Final = "To be asked less takes somebody who may raise limits."
ONLY_OWNERS: Final = "To be asked less than the gateway's settings say takes an owner."
_SHOWS: Final = {
    Verbosity.QUIET: "questions and results only",
    Verbosity.BRIEF: "that it works, and its newest action",
    Verbosity.FULL: "what the agent does, as it does it",
}


def wrong_amount(why: str) -> str:
    """What was written is no amount; `why` without its full stop."""
    return f"{why}. Like: /settings ask 1, /settings ask default, /settings ask never."


def wrong_hours(why: str) -> str:
    """What was written is no span of hours; `why` without its full stop."""
    return f"{why}. Like: /settings quiet 22:00-07:00, /settings quiet none."


def no_digest(written: str) -> str:
    """What was written is no time for a digest; without a full stop."""
    return f"{written!r} is no time for a digest"


def wrong_digest(why: str) -> str:
    """The same as a sentence; `why` without its full stop."""
    return f"{why}. Like: /settings digest 08:30, /settings digest weekly mon 08:30, /settings digest off."


def _asked(preferences: Preferences, own: Usd, above: Usd, never: Usd) -> str:
    if preferences.confirm_above is None:
        return f"above {own} a run, as the gateway's settings say"
    if above == never:
        return "never: only the limits stop a run"
    if above != preferences.confirm_above:
        return f"above {above} a run: {preferences.confirm_above} was chosen by somebody who is no owner any more"
    return f"above {above} a run (the gateway's settings say {own})"


def settings(preferences: Preferences, own: Usd, above: Usd, never: Usd, zone: str, model: str | None) -> str:
    """The answer to /settings; `own`: above which amount the gateway's settings ask, `above`: what counts here."""
    lines = ["**Settings of this chat**", "", f"Shown: {_SHOWS[preferences.verbosity]}."]
    lines += [f"You are asked {_asked(preferences, own, above, never)}."]
    lines += [quiet_line(preferences.quiet, zone), digest_line(preferences.digest, zone)]
    lines += [f"Model of this session: `{model}`." if model else "Model of this session: the agent's own choice."]
    return "\n".join(lines)


def quiet_line(hours: str, zone: str) -> str:
    """When nothing rings."""
    return f"Quiet hours: {hours} ({zone}); nothing rings then, and questions wait." if hours else "Quiet hours: none."


def digest_line(digest: str, zone: str) -> str:
    """When it is told what was spent."""
    if not digest:
        return "Digest: none."
    about = "the week before" if digest.startswith("weekly") else "the day before"
    return f"Digest: {digest} ({zone}), what {about} cost; nothing where nothing was spent."


def choose_shown(preferences: Preferences) -> str:
    """Over the buttons for how much is told."""
    now = preferences.verbosity
    others = "\n".join(f"- {one}: {words}" for one, words in _SHOWS.items())
    return f"How much is shown while the agent works? Now: {now}.\n\n{others}"


def choose_amount(preferences: Preferences, own: Usd, above: Usd, never: Usd) -> str:
    """Over the buttons for the amount."""
    now = _asked(preferences, own, above, never)
    return f"From which amount on are you asked before a run? Now: {now}.\n\nAnother one: /settings ask 2.50"


def choose_quiet(preferences: Preferences, zone: str) -> str:
    """Over the buttons for the hours."""
    return f"{quiet_line(preferences.quiet, zone)}\n\nOthers: /settings quiet 23:30-06:30, /settings quiet sat,sun 00:00-24:00"


def choose_digest(preferences: Preferences, zone: str) -> str:
    """Over the buttons for the digest."""
    return (
        f"{digest_line(preferences.digest, zone)}\n\nOthers: /settings digest 07:15, /settings digest weekly fri 17:00"
    )


def show_button(verbosity: Verbosity) -> str:
    """How much is shown."""
    return f"Show: {verbosity}"


def ask_button(above: Usd, never: Usd) -> str:
    """From when on people are asked."""
    return "Never ask" if above == never else f"Ask above {above}"


def default_button(own: Usd) -> str:
    """As the gateway's own settings say."""
    return f"Default ({own})"


def quiet_button(hours: str) -> str:
    """When nothing rings."""
    return f"Quiet: {hours or NONE}"


def digest_button(digest: str) -> str:
    """When it is told what was spent."""
    return f"Digest: {digest or OFF}"


def ticked(label: str, *, now: bool) -> str:
    """A button of several, of which one is so already."""
    return f"✓ {label}" if now else label


def threshold(before: Usd, after: Usd, never: Usd) -> str:
    """Why the ledger has an entry for a chat; plain text."""
    was, now = ("never" if one == never else f"above {one}" for one in (before, after))
    return f"/settings ask: {now}, was {was}"


def asked_sooner(above: Usd) -> str:
    """Why a run is asked about that the owner's rules would let go."""
    return f"This chat wants to be asked above {above}."


# --------------------------------------------------------------------------------------------------------------- /model
NO_SESSION: Final = "No session yet: write what you want done, or /new."
WRONG_MODEL: Final = "That is no name of a model: write it as the agent's maker does, like /model claude-sonnet-4-5."
NO_MODELS_YET: Final = "Write /model NAME to choose one, like /model claude-sonnet-4-5."
CHOOSE_MODEL: Final = "Another one for the next prompt, or /model NAME:"


def model_now(model: str | None, price: str) -> str:
    """Which model the session works with; `price`: of it, or empty."""
    if model is None:
        return "The agent chooses its own model in this session."
    return f"This session works with `{model}`{f', {price}' if price else ''}."


def price(input_: Usd, output: Usd) -> str:
    """List prices."""
    return f"{input_} in, {output} out per million tokens"


UNKNOWN_PRICE: Final = "price not known"


def model_line(model: str, price: str) -> str:
    """One that can be chosen."""
    return f"- `{model}`: {price}"


def model_chosen(model: str, price: str, *, running: bool) -> str:
    """The session goes on with another one."""
    now = " What runs now ends on the one that it began with." if running else ""
    return f"From the next prompt on this session works with `{model}`, {price}.{now}"


def model_is_so(model: str) -> str:
    """Nothing changes."""
    return f"This session works with `{model}` already."


def unknown_price(model: str) -> str:
    """What a model does whose price nobody knows."""
    return f"From the next prompt on this session works with `{model}`. The price of `{model}` is not known: you are asked before every run, and what it costs is counted as unknown."


def at_desk(agent: str) -> str:
    """The person who opened the session chooses."""
    return f"{agent} is open at the desk: its model and its mode are chosen there."


def one_model(agent: str) -> str:
    """The agent cannot."""
    return (
        f"{agent} cannot change its model within a session: set it on the gateway's machine, and begin one with /new."
    )


# ---------------------------------------------------------------------------------------------------------------- /mode
def no_modes(agent: str) -> str:
    """The agent has nothing to choose from."""
    return f"{agent} has no modes to choose from."


def mode_now(mode: str) -> str:
    """In which mode the session is."""
    return f"This session is in mode {mode}: {_MODES.get(mode, mode)}."


def mode_line(mode: str) -> str:
    """One that can be chosen."""
    return f"- {mode}: {_MODES.get(mode, mode)}"


_MODES: Final = {
    "ask": "the agent asks before it changes or runs anything that it was not allowed yet",
    "plan": "the agent looks and plans, and changes nothing",
    "edits": "the agent changes files in its directory without asking; commands are still asked about",
}


def no_such_mode(mode: str, modes: Sequence[str]) -> str:
    """It has others."""
    return f"There is no mode {mode!r}: write {', '.join(f'/mode {one}' for one in modes)}."


def mode_chosen(mode: str) -> str:
    """From the next prompt on."""
    return f"From the next prompt on this session is in mode {mode}: {_MODES.get(mode, mode)}."


def stays_in_mode(agent: str, mode: str) -> str:
    """The agent does not take it."""
    return f"Not run: {agent} does not go into mode {mode or 'ask'}. The session goes on as before: send it once more, or /mode."


MAY_NOT_UNASK: Final = "A mode in which the agent asks less takes somebody who may answer its questions."


# -------------------------------------------------------------------------------------------------------------- /status
BAR_BLOCKS: Final = 10


def bar(used: int, of: int) -> str:
    """How much of something is used, to scale: `▰▰▰▱▱▱▱▱▱▱ 31 %`."""
    percent = 100 if of <= 0 else min(100, max(0, used * 100 // of))
    full = min(BAR_BLOCKS, (percent * BAR_BLOCKS + 50) // 100)
    return f"{'▰' * full}{'▱' * (BAR_BLOCKS - full)} {percent} %"


def session(place: str, agent: str, model: str | None, mode: str) -> str:
    """The first line of /status."""
    parts = [place, agent, *([f"`{model}`"] if model else []), *([f"mode {mode}"] if mode else [])]
    return " · ".join(parts)


NO_SESSION_HERE: Final = "No session here yet."
NOTHING_RUNS: Final = "Nothing runs."
STOPPED: Final = "Everything is stopped: /go lets turns start again."
WITHOUT_BANK: Final = "The team's bank does not answer: what was lent already can be spent."
NO_ANSWER: Final = "it does not answer, or wants a pause"
HEALTHY: Final = "Everything that was sent has arrived."
_DOES: Final = {
    TurnState.ASKING: "Waits for your answer",
    TurnState.HELD: "Begins",
    TurnState.RUNNING: "At work",
    TurnState.PAUSED: "Paused, waits for your answer",
}


def runs(state: TurnState, title: str, seconds: int, spent: str) -> str:
    """What is at work, or asked about, and since when."""
    return f"{_DOES.get(state, 'Waits')} for {duration(max(0, seconds))}: {title} ({spent})"


def waits(count: int) -> str:
    """What is behind it."""
    return "1 message waits behind it." if count == 1 else f"{count} messages wait behind it."


def elsewhere(count: int) -> str:
    """What goes on in other sessions."""
    return "1 turn is open in another session." if count == 1 else f"{count} turns are open in other sessions."


def limit(name: str, used: Usd, held: Usd, of: Usd) -> str:
    """How it stands with a limit."""
    waits = f", {held} held" if held else ""
    return f"{name}: {bar(used.nano + held.nano, of.nano)} · {used} of {of}{waits}"


def gateway_since(seconds: int) -> str:
    """How long the gateway runs."""
    return f"The gateway has been up for {duration(max(0, seconds))}."


def chat_reached(service: str, seconds: int) -> str:
    """For how long a chat service has taken every message."""
    return f"{service.capitalize()}: reached without a break for {duration(max(0, seconds))}."


def chat_away(service: str, seconds: int, why: str) -> str:
    """It does not answer."""
    return f"{service.capitalize()}: not reached for {duration(max(0, seconds))} ({why}). `tollbridge doctor` looks closer."


def messages(traffic: Traffic) -> str:
    """What is on its way, or may not have arrived."""
    # One that waits is the answer before this one.
    waiting = f"{traffic.waiting} messages wait to be sent." if traffic.waiting > 1 else ""
    unsure = f"{_messages(traffic.uncertain)} may not have arrived." if traffic.uncertain else ""
    return " ".join(part for part in (waiting, unsure) if part) or HEALTHY


def hooked(waiting: int, given_up: int, why: str) -> str:
    """How it stands with what the owner's webhook is told. `why`: it failed last, empty if it did not."""
    told = f"Events that wait for the webhook: {waiting}." if waiting else ""
    lost = f"Events for the webhook that were given up: {given_up}." if given_up else ""
    return " ".join(part for part in (told, lost, why and f"The last failure: {why}.") if part)


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def unpriced(number: int) -> str:
    """What nobody knows the price of."""
    have = "has" if number == 1 else "have"
    return f"{calls(number)} {have} no known price: `tollbridge reprice` looks for one."
