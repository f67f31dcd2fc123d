"""What an agent asks, as questions with buttons."""

from gateway.core import asking
from gateway.domain.approval import Approval, ApprovalKind, Choice, Option
from gateway.domain.effects import AllowTool, Answers, DenyTool, Words
from gateway.domain.events import AskedPermission, AskedQuestion, Part
from gateway.domain.place import Thread
from gateway.view import question_words

ASKED = AskedPermission("r", "Bash", "Bash: npm test", "Bash\nnpm test", can_remember=True, rules=("Bash(npm test *)",))


def approval(text: str, *options: Option) -> Approval:
    """A question with these options, that ends a minute after the beginning of time."""
    tokens = tuple(f"token {n}" for n in range(len(options)))
    return Approval("a", ApprovalKind.QUESTION, "t", "s", Thread("memory", "1"), text, options, tokens, "", 60_000)


def test_a_rule_stands_in_full_above_the_button_that_keeps_it() -> None:
    """The button names it; what it keeps is its value, so the digest is over it too."""
    question = asking.permission(ASKED)
    assert [option.choice for option in question.options] == [
        Choice.ALLOW,
        Choice.ALLOW_SESSION,
        Choice.ALLOW_ALWAYS,
        Choice.DENY,
    ]
    assert "`Bash(npm test *)`" in question.text
    always = question.options[2]
    assert (always.label, always.value) == ("Always: npm test *", "Bash(npm test *)")
    assert asking.reply(always) == AllowTool(rules=("Bash(npm test *)",))


def test_without_a_rule_there_is_no_button_for_one() -> None:
    """Nothing is offered that the agent did not offer."""
    question = asking.permission(AskedPermission("r", "Bash", "Bash: ls", "Bash\nls"))
    assert [option.choice for option in question.options] == [Choice.ALLOW, Choice.DENY]


def test_what_is_long_is_in_a_quote_with_every_line_of_it() -> None:
    """Folded away, nothing falls out of it, and a short one is not folded."""
    lines = "\n".join(f"line {n}" for n in range(50))
    text = asking.permission(AskedPermission("r", "Bash", "", f"Bash\n{lines}")).text
    assert all(f"> line {n}\n" in text for n in range(50))
    assert "> " not in asking.permission(ASKED).text


def test_what_does_not_show_is_shown_in_a_plan_and_in_a_choice() -> None:
    """Attack 20: Markdown stays Markdown, and a hidden character is its code; the agent gets its own words back."""
    assert asking.plan_shown("# Do\n\n**it**\u202e") == "# Do\n\n**it**\\u{202e}"
    question = asking.question(Part("Which\u200b?", ("A\u202e",)), 1, 1)
    assert "Which\\u{200b}?" in question.text
    assert (question.options[0].label, asking.reply(question.options[0])) == ("A\\u{202e}", Words("A\u202e"))


def test_a_choice_is_picked_and_let_go_of_by_the_same_button() -> None:
    """Its label says which it is; the order of the buttons is that of the answer."""
    parts = AskedQuestion("r", "Which?", ("A", "B", "C"), several=True).parts
    found = approval("Which?", *asking.question(parts[0], 1, 1).options)
    for token in ("token 2", "token 0", "token 1", "token 1"):
        found = asking.toggled(found, token)
    assert asking.picks(found) == ["A", "C"]
    assert [option.label for option in found.options[:3]] == ["✓ A", "B", "✓ C"]
    assert asking.joined(asking.picks(found), "D") == "A, C, D"


def test_answers_to_all_are_a_no_only_where_nobody_answered_anything() -> None:
    """One that is left out is told as such beside the others."""
    declined = question_words.DECLINED
    assert asking.together(["A", declined]) == Answers(("A", declined))
    assert asking.together([declined, declined]) == DenyTool(question_words.TOLD_NO)


def test_a_reminder_names_the_question_and_how_much_time_is_left() -> None:
    """In a line, without the marks of its code."""
    words = asking.reminder(approval(asking.permission(ASKED).text), 0)
    assert words.startswith("Still waiting for your answer: Bash wants to run: npm test ")
    assert words.endswith("Without one it is closed in 1 min.")
