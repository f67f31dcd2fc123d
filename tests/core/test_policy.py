"""The owner's rules: which holds, which decides, what follows, and how it is explained."""

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.policy import (
    ANY,
    WEEK_MINUTES,
    Action,
    Condition,
    Facts,
    Hours,
    HoursError,
    Rule,
    Ruling,
    explain,
    judge,
    matches,
    mismatch,
    words,
)
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin
from tests.core.make import UNHURRIED, usd

GENERAL = usd("1")
NOON = 12 * 60
TUESDAY = 24 * 60
FACTS = Facts(
    model="claude-opus-4-8",
    directory="/home/me/prod/api",
    person="4711",
    chat="-100123",
    origin=Origin.PERSON,
    cold_tokens=120_000,
    minute_of_week=TUESDAY + NOON,
    want=usd("2"),
)
NIGHTS = Rule(Condition(hours=Hours.parse("22:00-06:00")), Action.CONFIRM, name="nights")


def at(text: str) -> int:
    """A minute of the week: `tue 12:30`."""
    day, time = text.split()
    hour, minute = time.split(":")
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day) * 1440 + int(hour) * 60 + int(minute)


# -------------------------------------------------------------------------------------------------------------- hours
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("09:00-17:00", ["mon 09:00", "sun 16:59"], ["mon 08:59", "sun 17:00"]),
        ("22:00-06:00", ["mon 22:00", "tue 00:00", "mon 05:59", "sun 23:59", "mon 00:00"], ["mon 06:00", "tue 21:59"]),
        ("mon-fri 18:00-08:00", ["mon 18:00", "sat 07:59", "fri 23:00"], ["mon 07:59", "sat 08:00", "sat 18:00"]),
        ("sun 23:00-01:00", ["sun 23:30", "mon 00:59"], ["mon 01:00", "mon 23:30", "sat 23:30"]),
        ("sat,sun 00:00-24:00", ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        ("fri-mon 12:00-13:00", ["fri 12:00", "mon 12:59", "sun 12:30"], ["tue 12:00", "thu 12:00"]),
        (" Sat  10:00 - 11:00 ", ["sat 10:00"], ["sun 10:00"]),
        ("20:00-24:00", ["mon 23:59"], ["tue 00:00"]),
    ],
)
def test_hours_hold_from_their_first_minute_up_to_their_last(text: str, inside: list[str], outside: list[str]) -> None:
    """The end is not part of them, what goes over midnight belongs to the day on which it began, and Sunday runs into Monday."""
    hours = Hours.parse(text)
    assert all(hours.holds(at(minute)) for minute in inside)
    assert not any(hours.holds(at(minute)) for minute in outside)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write hours like 22:00-06:00"),
        ("22-6", "is not a span of hours"),
        ("nights", "is not a span of hours"),
        ("24:30-06:00", "24:30 is not a time of day"),
        ("10:60-12:00", "10:60 is not a time of day"),
        ("10:00-10:00", "write 00:00-24:00 for a whole day"),
        ("24:00-06:00", "write 00:00"),
        ("mo-fr 10:00-12:00", "'mo-fr' is not a day: write mon, tue"),
        ("mon-fr 10:00-12:00", "'mon-fr' is not a day"),
        ("mon- 10:00-12:00", "'mon-' is not a day"),
        (", 10:00-12:00", "'' is not a day"),
    ],
)
def test_what_is_no_span_of_hours_is_refused_with_how_to_write_one(text: str, said: str) -> None:
    """One sentence that says what to write."""
    with pytest.raises(HoursError, match="write") as caught:
        Hours.parse(text)
    assert said in str(caught.value)


@given(st.integers(0, 1439), st.integers(0, 1440), st.integers(0, WEEK_MINUTES - 1))
def test_every_days_hours_and_their_complement_share_the_week(start: int, end: int, minute: int) -> None:
    """22:00-06:00 and 06:00-22:00 hold at every minute, one of them at a time."""
    if start == end or (start, end) == (0, 1440):
        return

    def text(one: int, other: int) -> str:
        return f"{one // 60:02d}:{one % 60:02d}-{other // 60:02d}:{other % 60:02d}"

    span = Hours.parse(text(start, end))
    rest = Hours.parse(text(end % 1440, start or 1440))
    assert span.holds(minute) != rest.holds(minute)


# --------------------------------------------------------------------------------------------------------- conditions
@pytest.mark.parametrize(
    ("when", "other", "why"),
    [
        (Condition(model="*opus*"), {"model": "claude-haiku"}, "the model is claude-haiku"),
        (Condition(model="*opus*"), {"model": "Claude-Opus"}, "the model is Claude-Opus"),
        (Condition(model="*opus*"), {"model": None}, "the model is not known before its first call"),
        (Condition(directory="/home/me/prod"), {"directory": "/home/me/prod2"}, "the directory is /home/me/prod2"),
        (Condition(directory="/home/me/prod"), {"directory": "/home/me"}, "the directory is /home/me"),
        (Condition(person="4711"), {"person": "4712"}, "the person is 4712"),
        (Condition(chat="-100123"), {"chat": "4711"}, "the chat is 4711"),
        (Condition(origin=Origin.PERSON), {"origin": Origin.BACKGROUND}, "its origin is background"),
        (Condition(cold_tokens_above=119_999), {"cold_tokens": 119_999}, "119999 tokens have to be read again"),
        (Condition(cold_tokens_above=0), {"cold_tokens": 0}, "the cache is warm"),
        (Condition(hours=Hours.parse("12:00-12:01")), {"minute_of_week": TUESDAY + NOON + 1}, "it is Tue 12:01"),
        (Condition(estimate_above=Usd(1_999_999_999)), {"want": Usd(1_999_999_999)}, "it wants $2.00"),
    ],
)
def test_a_condition_holds_or_says_why_it_does_not(when: Condition, other: dict[str, object], why: str) -> None:
    """Each condition holds for the run that it was made for, and not for the one beside it."""
    assert mismatch(when, FACTS) == ""
    assert mismatch(when, replace(FACTS, **other)) == why  # type: ignore[arg-type]


@given(st.text("ab*?", max_size=8), st.text("abc", max_size=8))
def test_a_pattern_matches_what_a_file_name_pattern_would(pattern: str, name: str) -> None:
    """Without brackets the patterns are those that everybody knows."""
    assert matches(pattern, name) == fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("claude-opus-4-8", ["claude-opus-4-8"], ["claude-opus-4-80", "xclaude-opus-4-8", ""]),
        ("*opus*", ["opus", "claude-opus-4", "claude-opus-4[1m]"], ["OPUS", "haiku", ""]),
        ("claude-?-4", ["claude-a-4"], ["claude--4", "claude-ab-4"]),
        ("opus[1m]", ["opus[1m]"], ["opus1", "opusm"]),
        ("gpt.5", ["gpt.5"], ["gptx5"]),
        ("*", ["", "anything"], []),
        ("a*b*c", ["abc", "aXbbXbXcc"], ["acb", "ab", "abcd"]),
        ("*ab*ab", ["abab", "aabXab"], ["ab", "aab"]),
        ("*a" * 90 + "?", [], ["a" * 90]),
    ],
)
def test_a_pattern_is_the_name_but_for_two_signs(pattern: str, names: list[str], others: list[str]) -> None:
    """A star is anything, a question mark one sign, and dots and brackets are themselves."""
    assert all(matches(pattern, name) for name in names)
    assert not any(matches(pattern, name) for name in others)


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    """A rule with two conditions holds where both do, and one without any holds always."""
    both = Condition(model="*opus*", directory="/home/me/prod")
    assert mismatch(both, FACTS) == ""
    assert mismatch(both, replace(FACTS, directory="/srv")) == "the directory is /srv"
    assert mismatch(both, replace(FACTS, model="haiku")) == "the model is haiku"
    assert mismatch(ANY, replace(FACTS, model=None)) == ""


def test_everything_lies_below_the_root_directory() -> None:
    """`directory = "/"` means every run."""
    assert mismatch(Condition(directory="/"), FACTS) == ""
    assert mismatch(Condition(directory="/"), replace(FACTS, directory="/")) == ""


# -------------------------------------------------------------------------------------------------------------- ruling
def rule(then: Action, amount: str | None = None, when: Condition = ANY, name: str = "") -> Rule:
    """A rule that holds for every run, if not said otherwise."""
    return Rule(when, then, None if amount is None else usd(amount), name)


ELSEWHERE = Condition(directory="/srv")


@pytest.mark.parametrize(
    ("given_rule", "ruling"),
    [
        (rule(Action.CONFIRM), Ruling(ZERO, rule=1, words="Rule 1 asks before every such run.")),
        (rule(Action.CONFIRM_ABOVE, "0.50"), Ruling(usd("0.50"), rule=1, words="Rule 1 asks above $0.50.")),
        (rule(Action.CONFIRM_ABOVE, "9"), Ruling(usd("1"), rule=1, words="Rule 1 asks above $1.00.")),
        (rule(Action.ALLOW_BELOW, "3"), Ruling(usd("3"), rule=1, words="Rule 1 lets runs up to $3.00 go unasked.")),
        (rule(Action.ALLOW_BELOW, "0.1"), Ruling(usd("1"), rule=1, words="Rule 1 lets runs up to $1.00 go unasked.")),
        (
            rule(Action.REFUSE, name="prod"),
            Ruling(ZERO, "Rule 1 (prod) refuses such runs.", rule=1, words="Rule 1 (prod) refuses such runs."),
        ),
        (
            rule(Action.REFUSE_ABOVE, "5"),
            Ruling(GENERAL, refuse_above=usd("5"), words="No rule decides: runs above $1.00 are asked about."),
        ),
    ],
)
def test_each_action_rules_in_its_own_way(given_rule: Rule, ruling: Ruling) -> None:
    """To ask can only ask sooner than the general threshold, to allow can only allow more, and a bound leaves the threshold alone."""
    assert judge([given_rule], FACTS, GENERAL) == ruling


def test_without_a_rule_that_decides_the_general_threshold_does() -> None:
    """No rules, or none that holds."""
    nothing = Ruling(GENERAL, words="No rule decides: runs above $1.00 are asked about.")
    assert judge((), FACTS, GENERAL) == nothing
    assert judge((rule(Action.REFUSE, when=ELSEWHERE), NIGHTS), FACTS, GENERAL) == nothing


def test_the_first_rule_that_holds_wins() -> None:
    """What stands below the deciding rule has no say, however strict it is."""
    rules = (rule(Action.CONFIRM, when=ELSEWHERE), rule(Action.ALLOW_BELOW, "3"), rule(Action.REFUSE))
    ruling = judge(rules, FACTS, GENERAL)
    assert (ruling.rule, ruling.confirm_above, ruling.refuse) == (2, usd("3"), None)


def test_a_bound_stays_while_the_rules_below_it_decide() -> None:
    """Of several bounds above the deciding rule the smallest holds; one below it does not."""
    rules = (
        rule(Action.REFUSE_ABOVE, "5"),
        rule(Action.REFUSE_ABOVE, "4"),
        rule(Action.REFUSE_ABOVE, "9"),
        rule(Action.ALLOW_BELOW, "3"),
        rule(Action.REFUSE_ABOVE, "2"),
    )
    ruling = judge(rules, FACTS, GENERAL)
    assert (ruling.rule, ruling.confirm_above, ruling.refuse_above) == (4, usd("3"), usd("4"))


# --------------------------------------------------------------------------------------------------------- explanation
@pytest.mark.parametrize(
    ("given_rule", "text"),
    [
        (NIGHTS, "22:00-06:00: ask"),
        (rule(Action.REFUSE_ABOVE, "5"), "every run: refuse above $5.00"),
        (
            rule(
                Action.CONFIRM_ABOVE,
                "0.50",
                Condition("*opus*", "/prod", "4711", "-100", Origin.BACKGROUND, 100_000, None, usd("2")),
            ),
            (
                "model *opus*, in /prod, person 4711, chat -100, origin background, more than 100k tokens to read again,"
                " wants more than $2.00: ask above $0.50"
            ),
        ),
        (
            rule(Action.ALLOW_BELOW, "3", Condition(cold_tokens_above=0)),
            "more than 0 tokens to read again: run unasked up to $3.00",
        ),
        (rule(Action.REFUSE, when=Condition(estimate_above=ZERO)), "wants more than $0.00: refuse"),
    ],
)
def test_a_rule_reads_as_a_sentence(given_rule: Rule, text: str) -> None:
    """Its conditions in words, and what it does."""
    assert words(given_rule) == text


def test_every_rule_is_explained_in_order_and_then_what_follows() -> None:
    """Why it does not hold, that it bounds, that it decides, or that it is not reached."""
    rules = (
        NIGHTS,
        rule(Action.REFUSE_ABOVE, "5"),
        rule(Action.CONFIRM_ABOVE, "0.50", Condition(model="*opus*"), "opus"),
        rule(Action.REFUSE),
    )
    assert explain(rules, FACTS, GENERAL) == (
        "Rule 1 (nights): 22:00-06:00: ask -> does not hold, it is Tue 12:00.",
        "Rule 2: every run: refuse above $5.00 -> holds, nobody may say yes to more than $5.00.",
        "Rule 3 (opus): model *opus*: ask above $0.50 -> holds and decides.",
        "Rule 4: every run: refuse -> not reached.",
        "Rule 3 (opus) asks above $0.50. It wants $2.00: it is asked about.",
    )


@pytest.mark.parametrize(
    ("rules", "want", "last"),
    [
        ((), "1", "No rule decides: runs above $1.00 are asked about. It wants $1.00: it runs unasked."),
        ((), "1.01", "No rule decides: runs above $1.00 are asked about. It wants $1.01: it is asked about."),
        ((rule(Action.REFUSE),), "1", "Rule 1 refuses such runs. It is refused."),
        (
            (rule(Action.REFUSE_ABOVE, "5"),),
            "5.01",
            "No rule decides: runs above $1.00 are asked about. It wants $5.01, and above $5.00 it is refused.",
        ),
        (
            (rule(Action.REFUSE_ABOVE, "5"), rule(Action.ALLOW_BELOW, "5")),
            "5",
            "Rule 2 lets runs up to $5.00 go unasked. It wants $5.00: it runs unasked.",
        ),
    ],
)
def test_an_explanation_ends_with_what_follows(rules: tuple[Rule, ...], want: str, last: str) -> None:
    """Asked, unasked or refused, for the amount that is wanted."""
    assert explain(rules, replace(FACTS, want=usd(want)), GENERAL)[-1] == last


AMOUNT = st.integers(0, 10 * 10**9).map(Usd)
CONDITIONS = st.builds(
    Condition,
    model=st.sampled_from([None, "*opus*", "haiku"]),
    directory=st.sampled_from([None, "/home/me", "/srv"]),
    cold_tokens_above=st.sampled_from([None, 0, 500_000]),
    estimate_above=st.none() | AMOUNT,
)
RULES = st.lists(st.builds(Rule, CONDITIONS, st.sampled_from(Action), AMOUNT), max_size=8)


@UNHURRIED
@given(RULES, AMOUNT, AMOUNT)
def test_a_ruling_is_that_of_the_first_deciding_rule_and_each_rule_is_explained(
    rules: list[Rule], want: Usd, general: Usd
) -> None:
    """The deciding rule holds, none above it both holds and decides, and removing all below it changes nothing."""
    facts = replace(FACTS, want=want)
    ruling = judge(rules, facts, general)
    reached = rules if ruling.rule is None else rules[: ruling.rule]
    assert judge(reached, facts, general) == ruling
    holding = [one for one in reached if not mismatch(one.when, facts)]
    deciding = [one for one in holding if one.then is not Action.REFUSE_ABOVE]
    assert deciding == ([] if ruling.rule is None else [reached[-1]])
    bounds = [one.amount for one in holding if one.then is Action.REFUSE_ABOVE and one.amount is not None]
    assert ruling.refuse_above == min(bounds, default=None)
    assert len(explain(rules, facts, general)) == len(rules) + 1
