"""Questions and their answers: permissions, the agent's own questions, buttons, and what a tap or a reply came to."""

from typing import Final

from gateway.view import figure_words

MINUTE_MS: Final = 60_000

# ------------------------------------------------------------------------------------------------------------- buttons
ALLOW: Final = "Allow"
ALLOW_SESSION: Final = "Allow for this session"
DENY: Final = "Deny"
APPROVE_EDITS: Final = "Approve and allow edits"
APPROVE_ASKING: Final = "Approve, ask before edits"
KEEP_PLANNING: Final = "Keep planning"
DONE: Final = "Done"
PICKED_MARK: Final = "\N{CHECK MARK} "
UNNAMED: Final = "\N{EM DASH}"
NO_ANSWER: Final = "Do not answer"
CONTINUE: Final = "Continue"
SEND_AGAIN: Final = "Send again"


# ------------------------------------------------------------------------------------------------------- how to answer
REPLY_DENIES: Final = "Reply to this message to deny it and say why."
REPLY_CHANGES: Final = (
    "Reply to this message to say what to change. With edits allowed it changes files in this session without asking."
)
REPLY_INSTEAD: Final = "Reply to this message to say what to do instead. With edits allowed it changes files in this session without asking."
WRITE: Final = "Write your answer."
TAP: Final = "Tap, or write your answer."
TAP_SEVERAL: Final = "Tap all that you want and then Done, or write your answer: it goes with what is picked."
TAP_OR_REPLY: Final = "Tap, or reply to this message with your answer."
REPLY: Final = "Reply to this message with your answer."
_HOW: Final = (REPLY_DENIES, REPLY_CHANGES, REPLY_INSTEAD, WRITE, TAP, TAP_SEVERAL, TAP_OR_REPLY, REPLY)


# ----------------------------------------------------------------------------------------------------------- questions
def always(contents: list[str]) -> str:
    """The button that lets the agent keep rules; `contents`: what each is about."""
    return f"Always: {contents[0]}" if len(contents) == 1 else f"Always: these {len(contents)} rules"


def picked_choice(label: str) -> str:
    """A choice that is picked."""
    return f"{PICKED_MARK}{label}"


def unpicked(label: str) -> str:
    """The same if it were not."""
    return label.removeprefix(PICKED_MARK)


def permission(tool: str, detail: str) -> str:
    """The agent wants to use a tool; `detail`: all of it, as a code block."""
    return f"**{tool}** wants to run:\n{detail}"


def with_rules(text: str, rules: list[str]) -> str:
    """What the button about rules does; `rules`: as code."""
    return f"{text}\nAlways: it does not ask again in this project for what {' and '.join(rules)} names."


def reply_denies(text: str) -> str:
    """A permission, with what words do."""
    return f"{text}\n{REPLY_DENIES}"


def whole_below(text: str, name: str) -> str:
    """The message cannot show all of it: a file follows."""
    return f"{text}\nAll of it is in {name} below."


PLAN: Final = f"**Go on with this plan?**\n{REPLY_CHANGES}"
NO_PLAN: Final = f"**The agent wants to end planning and shows no plan.**\n{REPLY_INSTEAD}"


def of_agent(question: str, *, choices: bool, several: bool = False) -> str:
    """A question of an agent that waits for the answer; `choices`: there are buttons, of which `several` can be picked."""
    if not choices:
        return f"{question}\n\n{WRITE}"
    return f"{question}\n\n{TAP_SEVERAL if several else TAP}"


def one_of(number: int, count: int, text: str) -> str:
    """One of the questions that an agent asks together."""
    return f"Question {number} of {count}\n\n{text}"


def asks_you(asker: str) -> str:
    """The first line of a question that came through MCP; plain text. `asker`: as `change_words` tells."""
    return f"{asker[0].upper()}{asker[1:]} asks you:"


def through_mcp(head: str, question: str, *, choices: bool) -> str:
    """That question: its first line, then its words as a code block."""
    return f"{head}\n{question}\n{TAP_OR_REPLY if choices else REPLY}"


def at_desk(text: str) -> str:
    """A question about a turn that is at work at the desk."""
    return f"At the desk: {text}"


def named(title: str, text: str) -> str:
    """A question about the turn of this title."""
    return f"**{title}**\n{text}"


def waits_for_bank(why: str) -> str:
    """Only the team's bank stands in the way."""
    return f"It waits: {why}."


def reminder(about: str, left_ms: int) -> str:
    """A question was not answered yet; `about`: how it begins, escaped. Above a minute seconds are no matter."""
    left = figure_words.time(left_ms if left_ms < MINUTE_MS else left_ms // MINUTE_MS * MINUTE_MS)
    return f"Still waiting for your answer: {about}\nWithout one it is closed in {left}."


def cut(shown: str, rest: int) -> str:
    """What is asked for, where it is too long to be shown whole; within a code block."""
    return f"{shown}\n[{rest} characters more; the answer is for the whole]"


# ------------------------------------------------------------------------------------------------ what an answer came to
MAY_NOT: Final = "You may not answer this."
MAY_NOT_ABOVE: Final = "You may not answer the question above."
ANSWERED_ALREADY: Final = "This was answered already."
EXPIRED: Final = "This has expired."
NOT_VALID_HERE: Final = "This button is not valid here."
PRESS_BUTTON: Final = "Press one of the buttons under it: words are no answer to this question."


def under(question: str, said: str) -> str:
    """A question with what became of it below, and without the line that says how to answer it."""
    how = next((f"\n{line}" for line in _HOW if question.endswith(f"\n{line}")), "")
    return f"{question.removesuffix(how).rstrip()}\n\n{said}"


def too_long(most: int) -> str:
    """An answer that no agent is given."""
    return f"At most {most} characters can be an answer."


def answered(words: str) -> str:
    """The agent has this answer."""
    return f"Answered: {words}"


NOT_FETCHED: Final = "The agent has not asked for it yet."


def answer_waits(words: str) -> str:
    """The agent will ask for this answer."""
    return f"Answer: {words}\n{NOT_FETCHED}"


DECLINED: Final = "The person does not answer this."
DECLINE_WAITS: Final = f"{DECLINED}\n{NOT_FETCHED}"
ALLOWED: Final = "Allowed."
ALLOWED_FOR_SESSION: Final = "Allowed for this session."
DENIED: Final = "Denied."
NOT_ANSWERED: Final = "Not answered."
DENIED_WORDLESS: Final = "Denied. Your words do not reach an agent at the desk: write them as a message."
PICK_FIRST: Final = "Nothing is picked yet."
UNTAKEN: Final = "The agent did not confirm that it got this: it may not wait for it any more."
NO_AGENT: Final = "The agent no longer waits for this."
AGENT_GONE: Final = "The agent that asked is gone."
NOT_NEEDED: Final = "No longer needed."
NOBODY: Final = "Nobody answered in time."
ASKED_IN_CHAT: Final = "Asked in the chat."
NOT_ASKED: Final = "It is not asked any more."
GOING_ON: Final = "Going on."
WAITS: Final = "It waits."
CHANGED: Final = "The prompt or the price is another one than when this was asked: it is decided anew."
GONE: Final = "This turn is gone."
DOES_NOT_WAIT: Final = "This turn does not wait any more."
NOT_PAUSED: Final = "This turn is not paused any more."
ASKED_AGAIN: Final = "Asked again: it changed."
NOT_RUN: Final = "Not run."
ROOM_NOW: Final = "There is room for it now: it runs."


def denied_because(reason: str) -> str:
    """The agent was told no, and why; `reason` is escaped."""
    return f"Denied: {reason}"


def plan_changes(wanted: str) -> str:
    """The agent was told what is wanted of its plan; `wanted` is escaped."""
    return f"{KEEP_PLANNING}: {wanted}"


def allowed_always(rules: list[str]) -> str:
    """The agent keeps rules; `rules`: as code."""
    return f"Allowed, and always what {' and '.join(rules)} names."


def answer_of_several(said: str) -> str:
    """One of the questions that the agent asks together was answered, or not: `said` tells."""
    return f"{said}\nThe agent hears it with the answers to the other questions."


def picked(label: str) -> str:
    """The button that was pressed."""
    return f"{label}."


def goes_on_with(said: str, model: str) -> str:
    """What an answer came to, where the session has another model from now on."""
    return f"{said} This session goes on with {model}."


def send_again_at_desk(said: str) -> str:
    """The same where its prompt has to be typed again."""
    return f"{said} Send it again at the desk within 10 minutes."


GOES_ON_THERE: Final = "Write anything at the desk within 10 minutes: it goes on there."


def write_at_desk(label: str) -> str:
    """The button that was pressed, where its turn goes on with whatever is typed."""
    return f"{label}. {GOES_ON_THERE}"


# ------------------------------------------------------------------------------------------------ what the agent is told
TOLD_NO: Final = "The person said no."
TOLD_TO_PLAN: Final = "The person wants you to keep planning: do not change anything yet."


def told_changes(wanted: str) -> str:
    """A plan is not approved; what is wanted of it."""
    return f"The person does not approve the plan yet, and wants: {wanted}"


def told_why(reason: str) -> str:
    """A no with its reason."""
    return f"The person said no: {reason}"


CONTINUE_PROMPT: Final = "Continue where you left off."
"""For a turn that was paused, since nothing else ran in its session; and for one that no prompt started."""
CONTINUE_BEGINNING: Final = "Continue where you left off: "


def continue_with(title: str) -> str:
    """For a turn of this title that was interrupted: others may have run since."""
    return f"{CONTINUE_BEGINNING}{title}"
