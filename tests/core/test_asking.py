"""What an agent asks, as questions with buttons."""

import pytest

from gateway.core import asking
from gateway.domain.approval import Approval, ApprovalKind, Choice, Option
from gateway.domain.effects import AllowTool, Answers, DenyTool, Words
from gateway.domain.events import AskedPermission, AskedPlan, AskedQuestion, Part
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


def test_no_choice_is_picked_by_the_agents_own_words() -> None:
    """A choice that bears the mark already is not picked before a person presses it; what it says is the agent's still."""
    written = ("\N{CHECK MARK} delete all", "\N{CHECK MARK} \N{CHECK MARK} A", "\N{CHECK MARK} ")
    asked = asking.question(Part("Which?", written, several=True), 1, 1)
    assert [option.label for option in asked.options] == ["delete all", "A", "—", "Done", "Do not answer"]
    put = Approval(
        "ask_1", ApprovalKind.QUESTION, "t_1", "s_1", Thread("m", "1"), asked.text, asked.options, tuple("12345"), "", 1
    )
    assert asking.picks(put) == []
    assert asking.picks(asking.toggled(put, "1")) == [written[0]]
    assert asking.picks(asking.toggled(asking.toggled(put, "1"), "1")) == []


def test_a_question_tells_its_answer_or_that_there_is_none() -> None:
    """Not to answer is no answer, and no denial."""
    assert asking.said("the *red* one") == "Answered: the \\*red\\* one"
    assert asking.said(question_words.DECLINED) == "Not answered."


def test_answers_to_all_are_a_no_only_where_nobody_answered_anything() -> None:
    """One that is left out is told as such beside the others."""
    declined = question_words.DECLINED
    assert asking.together(["A", declined]) == Answers(("A", declined))
    assert asking.together([declined, declined]) == DenyTool(question_words.DECLINED)


def test_a_reminder_names_the_question_and_how_much_time_is_left() -> None:
    """In a line, without the marks of its code."""
    words = asking.reminder(approval(asking.permission(ASKED).text), 0)
    assert words.startswith("Still waiting for your answer: Bash wants to run: npm test ")
    assert words.endswith("Without one it is closed in 1 min.")


def test_a_change_to_a_file_is_shown_below_what_is_asked_for() -> None:
    """Its lines stand in a block of their own, drawn as a difference."""
    text = asking.permission(AskedPermission("r", "Edit", "Edit a.py", "Edit\na.py", diff="-old\n+new")).text
    assert "```\na.py\n```\n```diff\n-old\n+new\n```" in text


@pytest.mark.parametrize(
    ("event", "whole"),
    [
        (AskedPermission("r", "Edit", "", "Edit\na.py", diff="-a", whole="all of it"), "all of it"),
        (AskedPermission("r", "Edit", "", "Edit\na.py", diff="-a"), "Edit\na.py\n-a"),
        (AskedPermission("r", "Bash", "", "Bash\nls"), "Bash\nls"),
        (AskedPlan("r", "# Do it"), "# Do it"),
        (Part("Which?", ("A", "B")), "Which?"),
    ],
)
def test_an_answer_is_given_to_all_that_was_asked(event: AskedPermission | AskedPlan | Part, whole: str) -> None:
    """What the digest is over leaves out nothing that the message had to leave out."""
    assert asking.canonical(event) == whole


def test_a_plan_is_approved_with_edits_or_without_or_worked_on() -> None:
    """Each button is another word to the agent, and only a question with these buttons is one about a plan."""
    question = asking.plan(empty=False)
    assert question.text == question_words.PLAN
    assert asking.plan(empty=True).text == question_words.NO_PLAN
    assert [asking.reply(option) for option in question.options] == [
        AllowTool(edits=True),
        AllowTool(),
        DenyTool(question_words.TOLD_TO_PLAN),
    ]
    assert asking.is_plan(approval(question.text, *question.options))
    tool = asking.permission(ASKED)
    assert not asking.is_plan(approval(tool.text, *tool.options))


def test_questions_asked_together_are_numbered_and_only_so_many_are_put() -> None:
    """Each says which of how many it is, one alone says nothing of it, and nobody is asked more than six at once."""
    several = asking.questions(AskedQuestion("r", "First?", ("A",), more=(Part("Second?"),)))
    assert [question.text.partition("\n\n")[0] for question in several] == ["Question 1 of 2", "Question 2 of 2"]
    (alone,) = asking.questions(AskedQuestion("r", "First?", ("A",)))
    assert alone.text.startswith("First?")
    crowd = asking.questions(AskedQuestion("r", "0?", (), more=tuple(Part(f"{n}?") for n in range(1, 9))))
    assert len(crowd) == asking.PARTS_MAX
    assert crowd[-1].text.startswith("Question 6 of 6\n\n5?")


@pytest.mark.parametrize(
    ("option", "told", "said"),
    [
        (Option(Choice.ALLOW, question_words.ALLOW), AllowTool(), "Allowed."),
        (
            Option(Choice.ALLOW_SESSION, question_words.ALLOW_SESSION),
            AllowTool(for_session=True),
            "Allowed for this session.",
        ),
        (
            Option(Choice.ALLOW_ALWAYS, "Always: these 2 rules", value="Bash(ls)\nRead"),
            AllowTool(rules=("Bash(ls)", "Read")),
            "Allowed, and always what `Bash(ls)` and `Read` names.",
        ),
        (
            Option(Choice.ALLOW_EDITS, question_words.APPROVE_EDITS),
            AllowTool(edits=True),
            "Approve and allow edits.",
        ),
        (Option(Choice.ALLOW, question_words.APPROVE_ASKING), AllowTool(), "Approve, ask before edits."),
        (Option(Choice.ANSWER, "the *first*", value="the *first*"), Words("the *first*"), r"Answered: the \*first\*"),
        (Option(Choice.DENY, question_words.DENY), DenyTool("The person said no."), "Denied."),
        (
            Option(Choice.DENY, question_words.NO_ANSWER, value=question_words.DECLINED),
            DenyTool("The person does not answer this."),
            "Not answered.",
        ),
        (Option(Choice.DENY, question_words.KEEP_PLANNING, value="Go on."), DenyTool("Go on."), "Keep planning."),
    ],
)
def test_a_button_tells_the_agent_and_the_chat_the_same(
    option: Option, told: AllowTool | DenyTool | Words, said: str
) -> None:
    """What the agent hears is what the message says from then on, with words of others escaped."""
    assert (asking.reply(option), asking.past(option)) == (told, said)


def test_a_long_answer_is_shown_in_one_short_line() -> None:
    """The message under which it stands stays readable; the agent has all of it."""
    found = asking.past(Option(Choice.ANSWER, "", value="word\n" * 100))
    assert "\n" not in found
    assert found.endswith("…")
