"""What is said of people, of what they may do, and of how they are let in. Plain text: who puts it into a chat escapes it.

Names come from Telegram, where anybody may choose any: they are given to these functions with nothing hidden in them.
"""

from typing import Final

from gateway.domain.money import Usd
from gateway.domain.place import Grant, GrantFrom, Role
from gateway.view.figure_words import opening

PAIRED_ALREADY: Final = (
    "You are paired already. What you may do is changed on the machine: an owner types tollbridge people role there."
)
YES: Final = "Yes"
NO: Final = "No"
MAY_NOT: Final = "You may not answer this."
INSIDE_AGENT: Final = "this command runs inside an agent, and agents let nobody in and change no roles: write it in a terminal of your own"
NEEDS_TERMINAL: Final = "this needs a terminal: whoever lets somebody in has to sit at the machine"
NO_OWNER: Final = "an owner has to say yes to this in the chat, and there is none: put their numeric id into telegram.allowed_users in the settings"
CLOSED: Final = "the window is closed, and its codes count no more: run `tollbridge pair` again"
TRIED_TOO_OFTEN: Final = (
    "that was wrong too often: the window is closed, and its codes count no more. Run `tollbridge pair` again"
)
NOBODY_IN: Final = "nobody was let in"
NOTHING: Final = "nothing was changed"
CHANGED_MEANWHILE: Final = "What they may do is something else by now: nothing was changed."
LAST_OWNER: Final = "that is the last owner: nobody could say yes in the chat any more. Put another one into telegram.allowed_users first"
TOO_MANY: Final = "too many people wait for an owner's yes in the chat already: answer those questions first"
AT_START: Final = "by the settings, at the start"

_ROLES: Final = {
    Role.OWNER: "an owner",
    Role.APPROVER: "an approver",
    Role.WRITER: "a writer",
    Role.READER: "a reader",
}
_WHAT: Final = {
    Role.OWNER: "You may do everything here, and say yes to new people.",
    Role.APPROVER: "You give the agent work here, and answer its questions about money and about tools.",
    Role.WRITER: "Write here what the agent should do. What costs much is put to somebody who may approve it.",
    Role.READER: "You see what goes on and what it costs: /cost, /budget and /sessions tell.",
}


# ------------------------------------------------------------------------------------------------------------ the parts
def may_do(grant: Grant) -> str:
    """`a writer in their own chat with the bot`, `an approver everywhere, who raises limits by at most $5.00 at a time`."""
    return role_in(grant.role, None if grant.chat == grant.person else grant.chat, grant.largest_raise)


def role_in(role: Role, chat: str | None, largest_raise: Usd | None) -> str:
    """The same of nobody yet. `chat`: None is their own with the bot, empty everywhere."""
    where = "in their own chat with the bot" if chat is None else f"in chat {chat}" if chat else "everywhere"
    raises = "" if largest_raise is None else f", who raises limits by at most {largest_raise} at a time"
    return f"{_ROLES[role]} {where}{raises}"


def who(person: str, name: str) -> str:
    """`8 ("Grace")`: the number is who it is, the name only what they call themselves."""
    return f'{person} ("{name}")' if name else person


def command_line(user: str, host: str) -> str:
    """Who types at a machine: `the command line on desk (ada)`."""
    return f"the command line on {host} ({user})"


def given_by(grant: Grant) -> str:
    """From where a grant is: `settings`, `paired, by 4711`."""
    return "settings" if grant.origin is GrantFrom.SETTINGS else f"paired, by {grant.by}"


# -------------------------------------------------------------------------------------------------------- the newcomer
def code(letters: str, minutes: int) -> str:
    """What a stranger is answered while a window is open."""
    return (
        f"Your code is {letters}. Read it to the owner of this machine, who types it there."
        f" It counts once, only for you, and for {minutes} minutes at most."
    )


def welcome(grant: Grant) -> str:
    """What somebody is told who was let in, or whose role is another one now."""
    return (
        f"You are {may_do(grant).replace('their own', 'your own')} from now on. {_WHAT[grant.role]} /help tells more."
    )


# -------------------------------------------------------------------------------------------------------- the terminal
def opened(role: Role, chat: str | None, largest_raise: Usd | None, minutes: int) -> str:
    """What a window is for."""
    what = role_in(role, chat, largest_raise)
    return f"For {minutes} min whoever writes /pair to the bot gets a code. The person whose code you type here becomes {what}."


def wrong(left: int, claims: int) -> str:
    """The code is none of those that were given out."""
    tries = "1 try is" if left == 1 else f"{left} tries are"
    given = (
        "nobody has asked for one yet"
        if not claims
        else "1 was given out"
        if claims == 1
        else f"{claims} were given out"
    )
    return f"That is no code of this window ({given}): {tries} left."


def found(grant: Grant) -> str:
    """Whose code it is, and what they would be."""
    called = (
        f' They call themselves "{grant.name}", which is only a name: anybody can choose any.' if grant.name else ""
    )
    return f"That code was given to {grant.person}, their number in Telegram.{called} They would be {may_do(grant)}."


def stands(grant: Grant) -> str:
    """`8 is a writer in their own chat with the bot`."""
    return f"{who(grant.person, grant.name)} is {may_do(grant)}"


def already(grant: Grant) -> str:
    """Pairing changes nothing of what somebody may do."""
    change = (
        "their role is in the settings, and is changed there"
        if grant.origin is GrantFrom.SETTINGS
        else f"`tollbridge people role {grant.person} ROLE` changes that"
    )
    return f"{stands(grant)} already, and pairing changes nothing of that: {change}"


def is_already(grant: Grant) -> str:
    """Nothing is to be done."""
    return f"{stands(grant)} already."


def nobody(person: str, chat: str | None) -> str:
    """There is no such grant."""
    there = "" if chat is None else " everywhere" if not chat else f" in chat {chat}"
    return f"{person} may do nothing{there}: `tollbridge people` lists who may do what"


def in_settings(grant: Grant) -> str:
    """What the settings give is changed in them."""
    where = "telegram.allowed_users" if grant.role is Role.OWNER else "telegram.allowed_users or [[people]]"
    return (
        f"{stands(grant)} by the settings: change {where} there and start the gateway again;"
        " what stands there would count again at its next start"
    )


def which(person: str, chats: int) -> str:
    """A person has roles in several chats."""
    return f"{person} has a role in {chats} chats: add --chat NUMBER, or --chat everywhere"


def raises_nothing(role: Role) -> str:
    """A largest raise means nothing for this role."""
    return f"{_ROLES[role]} raises nothing: leave --largest-raise away, or make them an approver"


def asked(person: str, name: str, people: str) -> str:
    """Owners are asked."""
    return (
        f"Asked in the chat of {people}, and nothing has changed before an owner says yes there: {who(person, name)}."
    )


def done(grant: Grant, by: str) -> str:
    """An owner said yes."""
    return f"{stands(grant)}: {by} said yes."


def said_no(by: str) -> str:
    """An owner said no."""
    return f"{by} said no: {NOTHING}."


def nobody_answered() -> str:
    """The question is over."""
    return f"nobody answered in time: {NOTHING}."


def removed(person: str, name: str, left: int) -> str:
    """What the terminal hears of somebody who was taken out."""
    if left:
        return f"That is taken from {who(person, name)}. What the settings give them stays: it is changed there."
    return f"That is taken from {who(person, name)}: they may do nothing there any more."


# ------------------------------------------------------------------------------------------------------ what owners see
def closed(answer: str, by: str) -> str:
    """What stands under a question that was answered: `Yes (by 4711).`"""
    return f"{answer} (by {by})."


def question(grant: Grant, before: Grant | None, user: str, host: str) -> str:
    """What an owner is asked."""
    head = f"The command line on {host} ({user}) asks: "
    if before is not None:
        return f"{head}make {who(grant.person, grant.name)} {may_do(grant)}. Until now they are {may_do(before)}."
    called = f', who calls themselves "{grant.name}",' if grant.name else ""
    return f"{head}let {grant.person}{called} in as {may_do(grant)}. The code that {grant.person} was given was typed there."


def runs_stopped(count: int) -> str:
    """What was at work, or waited, for somebody who was taken out; empty: nothing."""
    if not count:
        return ""
    return "A turn of theirs was stopped." if count == 1 else f"{count} turns of theirs were stopped."


def told_removed(grant: Grant, user: str, host: str) -> str:
    """What approvers are told of somebody who was taken out."""
    return f"{opening(command_line(user, host))} took this away: {stands(grant)} no longer."


def told_lowered(grant: Grant, before: Grant, user: str, host: str) -> str:
    """What approvers are told of a lower role."""
    return f"{opening(command_line(user, host))} changed this: {stands(grant)}, and was {may_do(before)}."


def why(user: str, host: str, *, paired: bool) -> str:
    """Why a grant was changed, for the ledger."""
    return f"{'paired with a code' if paired else 'role changed'}, asked by {command_line(user, host)}"


def why_taken(user: str, host: str) -> str:
    """Why a grant ended, for the ledger."""
    return f"taken away by {command_line(user, host)}"
