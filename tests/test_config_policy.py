"""The owner's rules and what becomes of unknown prices, as they are written in the settings."""

import json
from pathlib import Path

import pytest

from gateway.config import SettingsError, settings_from
from gateway.core.policy import Action, Condition, Hours, Rule
from gateway.domain.money import Usd
from gateway.domain.turn import Origin

NIGHTS = '[[policy]]\nname = "nights"\nhours = "22:00-07:00"\nthen = "confirm"\n'
OPUS = '[[policy]]\nmodel = "*opus*"\ncold_tokens_above = 100000\nconfirm_above_usd = "0.50"\n'
PROD = '[[policy]]\ndirectory = "/srv/prod"\nrefuse_above_usd = 5\n'


def rules(home: Path, toml: str = "", **environ: str) -> tuple[Rule, ...]:
    """The rules of these settings."""
    return settings_from(toml, environ, home).policy_rules


def refusal(home: Path, toml: str = "", **environ: str) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        settings_from(toml, environ, home)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_any_rule_the_general_threshold_is_all_there_is(tmp_path: Path) -> None:
    """No rules, and unknown prices are asked about."""
    settings = settings_from("", {}, tmp_path)
    assert settings.policy_rules == ()
    assert settings.budgets.unpriced == "ask"


def test_each_rule_is_a_table_and_they_keep_their_order(tmp_path: Path) -> None:
    """Conditions and the one action of each, in the order of the file."""
    assert rules(tmp_path, NIGHTS + OPUS + PROD) == (
        Rule(Condition(hours=Hours.parse("22:00-07:00")), Action.CONFIRM, name="nights"),
        Rule(Condition(model="*opus*", cold_tokens_above=100_000), Action.CONFIRM_ABOVE, Usd.parse("0.50")),
        Rule(Condition(directory="/srv/prod"), Action.REFUSE_ABOVE, Usd.parse("5")),
    )


def test_every_condition_can_be_written(tmp_path: Path) -> None:
    """Numbers of people and chats may be written as numbers or as text."""
    toml = """
    [[policy]]
    person = 4711
    chat = -100123
    origin = "background"
    estimate_above_usd = 0.000000001
    then = "refuse"
    [[policy]]
    person = "4712"
    chat = "-100123"
    allow_below_usd = "3"
    """
    assert rules(tmp_path, toml) == (
        Rule(Condition(person="4711", chat="-100123", origin=Origin.BACKGROUND, estimate_above=Usd(1)), Action.REFUSE),
        Rule(Condition(person="4712", chat="-100123"), Action.ALLOW_BELOW, Usd.parse("3")),
    )


def test_the_environment_replaces_all_rules_as_json(tmp_path: Path) -> None:
    """Amounts in it are read by their digits, too."""
    text = json.dumps([{"model": "haiku", "then": "confirm"}]).replace('"then": "confirm"', '"allow_below_usd": 1.10')
    assert rules(tmp_path, NIGHTS, TOLLBRIDGE_POLICY=text) == (
        Rule(Condition(model="haiku"), Action.ALLOW_BELOW, Usd(1_100_000_000)),
    )
    assert rules(tmp_path, NIGHTS, TOLLBRIDGE_POLICY="[]") == ()


def test_a_rule_for_a_link_holds_where_the_link_leads(tmp_path: Path) -> None:
    """Sessions work in real directories; ~ is the home."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (rule,) = rules(tmp_path, f'[[policy]]\ndirectory = "{tmp_path}/link/../link/"\nthen = "confirm"')
    assert rule.when.directory == str((tmp_path / "real").resolve())


def test_the_example_of_the_documents_is_accepted(tmp_path: Path) -> None:
    """docs/policy.md shows rules that can be copied."""
    page = (Path(__file__).parents[1] / "docs" / "policy.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert [one.then for one in rules(tmp_path, example)] == ["refuse_above", "confirm", "confirm_above", "allow_below"]


def test_unknown_prices_are_asked_about_or_refused(tmp_path: Path) -> None:
    """And nothing else."""
    assert settings_from('[budgets]\nunpriced = "refuse"', {}, tmp_path).budgets.unpriced == "refuse"
    assert settings_from("", {"TOLLBRIDGE_BUDGETS__UNPRICED": "ask"}, tmp_path).budgets.unpriced == "ask"
    assert "'ask' or 'refuse'" in refusal(tmp_path, '[budgets]\nunpriced = "free"')


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            'hourz = "1"\nthen = "confirm"',
            "policy.hourz, rule 2: there is no such setting; did you mean hours? Known here: allow_below_usd,",
        ),
        ('hours = "22-6"\nthen = "confirm"', "policy.hours, rule 2: '22-6' is not a span of hours: write hours like"),
        ('hours = 22\nthen = "confirm"', "policy.hours, rule 2: '22' is not a span of hours"),
        ('model = "x"\nconfirm_above_usd = "-1"', "policy.confirm_above_usd, rule 2: '-1' is not an amount in dollars"),
        ('model = "x"\nrefuse_above_usd = 1e9', "policy.refuse_above_usd, rule 2: '1e9' is not an amount in dollars"),
        (
            'model = "x"\nestimate_above_usd = true\nthen = "confirm"',
            "policy.estimate_above_usd, rule 2: 'True' is not",
        ),
        ('model = "x"\nthen = "ask"', "policy.then, rule 2: this has to be 'confirm' or 'refuse'"),
        ('model = ""\nthen = "confirm"', "policy.model, rule 2: "),
        ('directory = "prod"\nthen = "confirm"', "policy.directory, rule 2: 'prod' is a relative path"),
        ('person = "@ada"\nthen = "confirm"', "policy.person, rule 2: '@ada' is not a numeric id"),
        ('chat = "team"\nthen = "confirm"', "policy.chat, rule 2: 'team' is not a chat: write its number"),
        ('chat = true\nthen = "confirm"', "policy.chat, rule 2: 'True' is not a chat"),
        (
            'origin = "cron"\nthen = "confirm"',
            "policy.origin, rule 2: this has to be 'person', 'desk' or 'background'",
        ),
        ('cold_tokens_above = -1\nthen = "confirm"', "policy.cold_tokens_above, rule 2: "),
        (
            'name = "*x*"\nmodel = "x"\nthen = "confirm"',
            "policy.name, rule 2: '*x*' is no name for a rule: write letters",
        ),
        ('model = "x"', 'policy, rule 2: it says nothing of what to do: write one of then = "confirm", '),
        (
            'model = "x"\nthen = "confirm"\nrefuse_above_usd = 5',
            'policy, rule 2: a rule does one thing, and this has then = "confirm" and refuse_above_usd: make it 2 rules',
        ),
        ('then = "confirm"', "policy: Rule 2 has no condition: write model, directory,"),
        ('model = "x"\nconfirm_above_usd = 2', "policy: Rule 2 asks above $2.00, and every run above $1.00 is asked"),
        ('model = "x"\nallow_below_usd = 0.5', "policy: Rule 2 lets runs up to $0.50 go unasked, and every run up to"),
        ('model = "x"\nrefuse_above_usd = 0.4', "policy: Rule 2 refuses above $0.40, and $0.50 is held"),
        ('hours = "23:00-01:00"\nthen = "refuse"', "policy: Rule 2 is never reached, because rule 1 (nights) decides"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_number(tmp_path: Path, written: str, said: str) -> None:
    """In one sentence, with what to write; nothing of the settings counts then."""
    assert f"config.toml: {said}" in refusal(tmp_path, f"{NIGHTS}[[policy]]\n{written}\n")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("policy = 3", "policy: write each rule as a table of its own: [[policy]]"),
        ('[policy]\nthen = "confirm"', "policy: write each rule as a table of its own: [[policy]]"),
        ('policy = ["confirm"]', "policy: write each rule as a table of its own: [[policy]]"),
        (NIGHTS * 101, "policy: there are 101 rules, and at most 100 are read"),
    ],
)
def test_what_is_no_list_of_rules_is_refused(tmp_path: Path, toml: str, said: str) -> None:
    """With the form that a rule has."""
    assert said in refusal(tmp_path, toml)


def test_mistakes_in_the_environment_name_the_variable(tmp_path: Path) -> None:
    """And the rule, where it is one rule's."""
    assert refusal(tmp_path, TOLLBRIDGE_POLICY="nights").startswith("TOLLBRIDGE_POLICY: write a list of rules, like [{")
    assert refusal(tmp_path, TOLLBRIDGE_POLICY='[{"model": "x"}]').startswith(
        "TOLLBRIDGE_POLICY, rule 1: it says nothing"
    )


def test_a_mistake_in_the_budgets_is_told_before_what_follows_from_it(tmp_path: Path) -> None:
    """Rules are not judged against amounts that could not be read."""
    said = refusal(tmp_path, f"[budgets]\nconfirm_above_usd = -1\n{OPUS}")
    assert "budgets.confirm_above_usd: '-1' is not an amount" in said
    assert "more)" not in said
