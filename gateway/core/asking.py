"""What an agent asks, as questions with buttons, and what their answers tell it; pure."""

import re
from dataclasses import replace
from typing import Final

from gateway.core import summary
from gateway.domain.approval import Approval, Choice, Option, Question
from gateway.domain.effects import AllowTool, Answers, DenyTool, Words
from gateway.domain.events import AskedPermission, AskedPlan, AskedQuestion, Part
from gateway.view import question_words as words

CHOICES_MAX: Final = 8
"""So many have buttons; the others are named in the text."""
PARTS_MAX: Final = 6
SHOWN_LINES_MAX: Final = 12
SHOWN_CHARACTERS_MAX: Final = 700
"""What is longer is folded away, to be opened with a tap."""


# ------------------------------------------------------------------------------------------------------------- asked
def permission(event: AskedPermission) -> Question:
    """A tool that the agent wants to use: all that fits a message, with nothing in it that does not show."""
    options = [Option(Choice.ALLOW, words.ALLOW)]
    if event.can_remember:
        options.append(Option(Choice.ALLOW_SESSION, words.ALLOW_SESSION))
    if event.rules:
        label = words.always([_content(rule) for rule in event.rules])
        options.append(Option(Choice.ALLOW_ALWAYS, label, value="\n".join(event.rules)))
    options.append(Option(Choice.DENY, words.DENY))
    asked = event.detail.removeprefix(f"{event.tool}\n") or event.summary
    shown = _folded(summary.verbatim(asked))
    if event.diff:
        shown = f"{shown}\n{_folded(summary.verbatim(event.diff, 'diff'))}"
    tool = summary.escape(summary.revealed(event.tool, summary.TITLE_CHARACTERS_MAX)[0])
    text = words.permission(tool, shown)
    if event.rules:
        text = words.with_rules(text, [summary.code(rule) for rule in event.rules])
    return Question(words.reply_denies(text), tuple(options))


def canonical(event: AskedPermission | AskedPlan | Part) -> str:
    """All that an answer is given to, for its digest."""
    match event:
        case AskedPermission():
            return event.whole or f"{event.detail}\n{event.diff}".rstrip("\n")
        case AskedPlan():
            return event.plan
        case _:
            return event.text


def _content(rule: str) -> str:
    """What a rule is about: `npm test *` of `Bash(npm test *)`."""
    return rule.partition("(")[2].removesuffix(")") or rule


def _folded(block: str) -> str:
    """A block of code, in a quote that opens with a tap where it is long."""
    if block.count("\n") <= SHOWN_LINES_MAX and len(block) <= SHOWN_CHARACTERS_MAX:
        return block
    quoted = "\n".join(f"> {line}".rstrip() for line in block.split("\n"))
    return f"\n{quoted}\n"


def plan(*, empty: bool) -> Question:
    """Whether the agent may go on with the plan above. `empty`: it wrote none."""
    options = (
        Option(Choice.ALLOW_EDITS, words.APPROVE_EDITS),
        Option(Choice.ALLOW, words.APPROVE_ASKING),
        Option(Choice.DENY, words.KEEP_PLANNING, value=words.TOLD_TO_PLAN),
    )
    return Question(words.NO_PLAN if empty else words.PLAN, options)


def is_plan(approval: Approval) -> bool:
    """Whether it is about a plan, and not about a tool."""
    return any(one.choice is Choice.ALLOW_EDITS for one in approval.options)


def plan_shown(text: str) -> str:
    """A plan as it is read: Markdown, with the characters that would not show as their codes."""
    return summary.revealed(text, len(text) * len("\\u{10ffff}"))[0]


def question(part: Part, number: int, count: int) -> Question:
    """One of the questions that the agent asks together; `number` of `count`."""
    choices = [choice for choice in part.choices if choice][:CHOICES_MAX]
    kind = Choice.PICK if part.several else Choice.ANSWER
    answers = [Option(kind, _label(choice, several=part.several), value=choice) for choice in choices]
    if answers and part.several:
        answers.append(Option(Choice.PICKED, words.DONE))
    shown, rest = summary.revealed(part.text, summary.VERBATIM_CHARACTERS_MAX)
    text = words.of_agent(words.cut(shown, rest) if rest else shown, choices=bool(answers), several=part.several)
    if count > 1:
        text = words.one_of(number, count, text)
    return Question(text, (*answers, Option(Choice.DENY, words.NO_ANSWER, value=words.DECLINED)))


def _label(choice: str, *, several: bool) -> str:
    """What a choice's button says. Only a person's press puts the mark on one that can be picked: the agent's own would count as that."""
    label = summary.revealed(choice, len(choice) * 10)[0]
    return (label.lstrip(words.PICKED_MARK) or words.UNNAMED) if several else label


def questions(event: AskedQuestion) -> tuple[Question, ...]:
    """All that it asks together, at most so many; the rest would be more than anybody answers."""
    parts = event.parts[:PARTS_MAX]
    return tuple(question(part, n, len(parts)) for n, part in enumerate(parts, start=1))


# ------------------------------------------------------------------------------------------------------------ picking
def toggled(approval: Approval, token: str) -> Approval:
    """The question with one of its choices picked, or no longer. Its buttons stay what they are, for quick taps on several."""
    at = approval.tokens.index(token)
    options = list(approval.options)
    shown = words.unpicked(options[at].label)
    options[at] = replace(options[at], label=words.picked_choice(shown) if shown == options[at].label else shown)
    return replace(approval, options=tuple(options))


def picks(approval: Approval) -> list[str]:
    """The words that are picked, in the order of the buttons."""
    chosen = (one for one in approval.options if one.choice is Choice.PICK)
    return [one.value for one in chosen if one.label != words.unpicked(one.label)]


def joined(chosen: list[str], written: str = "") -> str:
    """Several choices, and what was written beside them, as one answer: as the agent's own screen joins them."""
    return ", ".join([*chosen, *([written] if written else [])])


# ------------------------------------------------------------------------------------------------------------- answers
def reply(option: Option) -> AllowTool | DenyTool | Words:
    """What the agent is told once this is picked."""
    match option.choice:
        case Choice.ALLOW:
            return AllowTool()
        case Choice.ALLOW_SESSION:
            return AllowTool(for_session=True)
        case Choice.ALLOW_ALWAYS:
            return AllowTool(rules=tuple(option.value.split("\n")))
        case Choice.ALLOW_EDITS:
            return AllowTool(edits=True)
        case Choice.ANSWER:
            return Words(option.value)
        case _:
            return DenyTool(option.value or words.TOLD_NO)


def past(option: Option) -> str:
    """What the message says once the agent has it."""
    match option.choice:
        case Choice.ALLOW_SESSION:
            return words.ALLOWED_FOR_SESSION
        case Choice.ALLOW_ALWAYS:
            return words.allowed_always([summary.code(rule) for rule in option.value.split("\n")])
        case Choice.ANSWER:
            return words.answered(shown(option.value))
        case _:
            plain = {words.ALLOW: words.ALLOWED, words.DENY: words.DENIED, words.NO_ANSWER: words.NOT_ANSWERED}
            return plain.get(option.label, words.picked(option.label))


def said(answer: str) -> str:
    """What a question says that was answered so; `DECLINED`: it was not."""
    return words.NOT_ANSWERED if answer == words.DECLINED else words.answered(shown(answer))


def shown(answer: str) -> str:
    """A person's words in one short line, as they are shown."""
    return summary.escaped_title(answer)


def together(answers: list[str]) -> Answers | DenyTool:
    """The answers to all that was asked together; nobody answered anything: no."""
    if all(one == words.DECLINED for one in answers):
        return DenyTool(words.DECLINED)
    return Answers(tuple(answers))


# ------------------------------------------------------------------------------------------------------------ reminders
_CODE: Final = re.compile(r"^[> ]*(?:`{3,}\w*|>)\s?", re.MULTILINE)


def reminder(approval: Approval, now_ms: int) -> str:
    """That a question still waits: which, and for how much longer."""
    about = summary.title(_CODE.sub(" ", summary.plain(approval.text)))
    return words.reminder(summary.escape(about), max(0, approval.expires_at_ms - now_ms))
