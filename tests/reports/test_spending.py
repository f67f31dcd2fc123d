"""What was spent, as people and programs read it: every line of a report that has everything in it, and what hostile names do to it."""

import csv
import json
from dataclasses import replace
from datetime import UTC, date, timedelta
from io import StringIO

import pytest
from rich.cells import cell_len

from gateway.core.spending import spending
from gateway.domain.money import Usd
from gateway.domain.spending import By, Dear, Open, Period, Place, Portion, Source, Spending, Spent
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import Parts, Tokens
from gateway.reports.drawn import Column, Pen, bar, in_lines, line, table
from gateway.reports.looks import Look
from gateway.reports.spending import text
from gateway.reports.spending_values import as_csv, as_markdown, as_values

NOON = 1_795_435_200_000
TODAY = date(2026, 11, 23)
APP = Place("s_0123456789abcdef", "claude", "/home/me/app", "Fix the login")
LIB = Place("0c6a", "codex", "/srv/lib")
LOOK = Look(UTC, own="/home/me")


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


def spent(cost: str, **more: int) -> Spent:
    """So much for ten turns of thirty calls, in every class."""
    nano = usd(cost).nano
    parts = Parts(Usd(nano // 20), Usd(nano // 2), Usd(nano // 4), Usd(nano // 10), Usd(nano // 20))
    tokens = Tokens(50_000, 3_000_000, 100_000, 50_000, 1_000, 20_000)
    return replace(Spent(usd(cost), parts, tokens, 10, 30), **more)


def everything(by: By = By.SESSION, top: int = 5) -> Spending:
    """A week with all that a report can tell."""
    one = Portion(APP, TODAY, "opus", "7", Source.GATEWAY, spent("1234.5"), NOON, NOON, False, None, 9, 8)
    portions = [
        one,
        replace(
            one, day=TODAY - timedelta(2), spent=spent("12", unpriced=3), came_of_it=OutcomeKind.ERROR, model="mystery"
        ),
        replace(one, spent=spent("1", turns=1), background=True, came_of_it=OutcomeKind.CANCELLED),
        replace(
            one,
            place=LIB,
            source=Source.LOGS,
            person="",
            spent=spent("7", at_least=2, guessed=10),
            scored=0,
            within_p90=0,
        ),
    ]
    waits = [Open(TurnState.RUNNING, 2, usd("0.5")), Open(TurnState.PAUSED, 1, usd("1"))]
    why = (
        "cold cache after a pause of 2 h: 142k tokens sent anew ($0.89)",
        "2 sub-agents: 30 % of it ($0.30, 2 calls)",
    )
    dear = [
        Dear(
            "t_1",
            APP,
            NOON,
            "opus",
            Source.GATEWAY,
            spent("99"),
            why,
            "Fix the flaky login test, please",
            OutcomeKind.ERROR,
        ),
        Dear("", LIB, NOON, "gpt", Source.LOGS, spent("4"), ()),
    ]
    return spending(portions, by, Period(TODAY - timedelta(6), TODAY), top, usd("0.31"), waits, dear)


WHOLE = """\
Last 7 days, 17 Nov to 23 Nov 2026
$1,254.50+? in about 31 turns of 2 sessions, $40.47 a turn; 94 % of the context
  came from the cache
····▁·█  most on 23 Nov: $1,242.50

made of            cost                      tokens
cache reads     $627.25  50 %  ████████████  12.0M
cache writes    $313.63  25 %  ██████        400k 5 min, 200k 1 h, 4k untold
output          $125.45  10 %  ██▍           80k
input            $62.73   5 %  █▎            200k
web searches     $62.73   5 %  █▎
not told apart   $62.73   5 %  █▎

session             began         turns  a turn  cached         cost
app  Fix the login  23 Nov 12:00     21  $59.40    94 %  $1,247.50?   ████████
lib  0c6a           23 Nov 12:00     10   $0.70    94 %      $7.00+   ▏
all                                  31  $40.47    94 %  $1,254.50+?

dearest turns
$99.00  23 Nov 12:00 app, Fix the flaky login test, ple… (error): cold cache
        after a pause of 2 h: 142k tokens sent anew ($0.89); 2 sub-agents: 30 %
        of it ($0.30, 2 calls)
 $4.00  23 Nov 12:00 lib: 30 calls, gpt

$13.00? (1 % of what was metered) in turns that ended with an error (10,
  $12.00?) or because somebody stopped them (1, $1.00).
Background: 1 turn that nobody asked for cost $1.00.
Calls that no transcript shows (titles, compactions): $0.31.
Estimates: 24 of 27 turns cost at most the p90 told before; 9 in 10 should.
Not settled now: 2 running, 1 paused; $1.50 so far.
? without 3 calls whose model has no known price: mystery (3).
+ at least this much: 2 turns with calls whose final count was never told.
Turns are counted by pauses of 5 minutes where logs name no prompts.
$1,247.50? was metered by the gateway; $7.00+ more is from agents' own logs,
  held back by no budget.
Costs are list prices; on a subscription you pay none of them by the call."""


def test_a_report_with_everything_in_it_reads_like_this():
    """Each block with its figures, in 80 columns."""
    assert text(everything(), "Last 7 days", LOOK) == WHOLE


def test_figures_stay_where_columns_go():
    """At 120 columns what the cost is made of stands in the table; at 40 bars and times are gone, and each cost is whole."""
    wide = text(everything(), "Last 7 days", replace(LOOK, width=120))
    (head,) = [line for line in wide.splitlines() if line.startswith("session")]
    assert head.split() == [
        "session",
        "began",
        "turns",
        "a",
        "turn",
        "cached",
        "reads",
        "writes",
        "input",
        "output",
        "cost",
    ]
    narrow = text(everything(), "Last 7 days", replace(LOOK, width=40))
    assert max(map(cell_len, narrow.splitlines())) <= 40
    assert "$1,247.50?" in narrow
    assert "began" not in narrow


def test_groups_that_are_left_out_are_one_line():
    """With what they come to."""
    said = text(everything(top=1), "Last 7 days", LOOK)
    assert "\n1 more " in said
    assert text(everything(By.MODEL, 0), "Last 7 days", LOOK).count(" more ") == 1  # the sentence of the sources


def test_days_without_anything_are_lines_too():
    """A week has seven, each with its bar."""
    said = text(everything(By.DAY), "Last 7 days", LOOK)
    assert "Tue 17 Nov      0       -       -          -" in said
    assert "Mon 23 Nov     21" in said
    assert "most on" not in said


@pytest.mark.parametrize("by", list(By))
def test_no_name_moves_the_cursor_or_widens_a_line(by: By):
    """Control characters are shown by their codes, letters of two columns and endless names are cut."""
    evil = "\x1b[2J\u202e\u4fee\u590d" * 30
    place = Place("\x1b]0;s\x07" * 9, evil, evil, evil)
    odd = Portion(place, TODAY, evil, evil, Source.LOGS, spent("3", unpriced=1), NOON, NOON)
    dear = Dear("t", place, NOON, evil, Source.LOGS, spent("2"), (evil,), evil)
    found = spending([odd], by, Period(TODAY, TODAY), 5, dearest=[dear])
    for width in (30, 60, 80, 120):
        said = text(found, "Today", replace(LOOK, width=width, names={evil: evil}))
        assert not {"\x1b", "\x07", "\u202e"} & set(said)
        assert max(map(cell_len, said.splitlines())) <= width


def test_what_nobody_knows_is_said_to_be_unknown():
    """And never $0."""
    unknown = Portion(APP, TODAY, "x", "", Source.LOGS, spent("0", calls=2, unpriced=2), NOON, NOON)
    found = spending([unknown], By.SESSION, Period(TODAY, TODAY), 5)
    said = text(found, "Today", LOOK)
    assert said.startswith("Today, 23 Nov 2026\nunknown in 10 turns of 1 session;")
    assert "$0" not in said
    values = as_values(found, LOOK)
    assert (values["total"]["cost_usd"], values["total"]["cost_per_turn_usd"]) == (None, None)
    (row,) = csv.DictReader(StringIO(as_csv(found, LOOK)))
    assert row["cost_usd"] == ""
    assert "| unknown |" in as_markdown(found, "Today", LOOK)


def test_values_for_programs_hold_every_class_exactly():
    """Amounts as decimal strings with every digit; no title and no prompt in them."""
    values = as_values(everything(), LOOK)
    assert (values["schema"], values["by"], values["period"]["first"]) == (2, "session", "2026-11-17")
    assert values["total"]["parts_usd"] == {
        "input": "62.725", "cache_read": "627.25", "cache_write": "313.625", "output": "125.45", "web_search": "62.725",
        "other": "62.725",
    }  # fmt: skip
    assert values["groups"][0]["name"] == APP.id
    assert (values["estimates"], values["unlisted_usd"]) == ({"scored": 27, "within_p90": 24}, "0.31")
    assert values["unpriced_by_model"] == {"mystery": 3}
    assert [one["state"] for one in values["open"]] == ["running", "paused"]
    assert [(one["turn"], one["source"], one["ended_with"]) for one in values["dearest"]] == [
        ("t_1", "gateway", "error"),
        (None, "logs", None),
    ]
    assert values["ended_with"]["error"]["turns"] == 10
    assert "login" not in json.dumps(values)
    assert as_values(everything(top=1), LOOK)["rest"]["groups"] == 1
    assert as_values(everything(By.PERSON), replace(LOOK, names={"7": "Ann"}))["groups"][1]["called"] == "Ann"
    empty = as_values(spending([], By.DAY, Period(TODAY, TODAY), 5), LOOK)
    assert (empty["groups"], empty["rest"], empty["total"]["cache_hit_share"]) == ([], None, None)


@pytest.mark.parametrize(
    "name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", " =1", "\N{FULLWIDTH EQUALS SIGN}1"]
)
def test_a_spreadsheet_takes_no_name_for_a_formula(name: str):
    """It begins with an apostrophe there; amounts stay amounts."""
    odd = Portion(APP, TODAY, name, "", Source.LOGS, spent("3"), NOON, NOON)
    (row,) = csv.DictReader(StringIO(as_csv(spending([odd], By.MODEL, Period(TODAY, TODAY), 0), LOOK)))
    assert row["name"].startswith("'")
    assert row["cost_usd"] == "3.00"


def test_markdown_shows_names_as_they_are():
    """No character of them is markup, or ends a cell."""
    odd = Portion(APP, TODAY, "a|b*c`d<e>[x](y)", "", Source.LOGS, spent("3"), NOON, NOON)
    said = as_markdown(spending([odd], By.MODEL, Period(TODAY, TODAY), 0), "Today", LOOK)
    assert "| a\\|b\\*c\\`d\\<e\\>\\[x\\]\\(y\\) | 10 |" in said
    assert "| 1 more | " in as_markdown(everything(top=1), "Last 7 days", LOOK)


def test_bars_and_lines_show_little_as_little_and_nothing_as_nothing():
    """An eighth of a column is the least."""
    assert [bar(part, 80, 10) for part in (0, 1, 5, 40, 80, 90)] == ["", "▏", "▋", "█████", "██████████", "██████████"]
    assert bar(1, 0, 10) == ""
    assert line([0, 1, 50, 100]) == "·▁▄█"
    assert line([]) == ""


def test_words_that_are_too_long_go_on_in_the_next_line():
    """None of them is lost, and what follows is set in."""
    assert in_lines("aaaa bbbb cccccccccccc d", 6, then="  ") == ["aaaa", "  bbbb", "  cccc", "  cccc", "  cccc", "  d"]
    assert in_lines("", 6) == [""]


def test_a_table_keeps_its_figures_where_there_is_no_room_for_names():
    """Columns go in their order; the elastic one is cut; the sum is set off in a terminal."""
    columns = [
        Column("name", ["a very long name", "all"], elastic=True, least=4),
        Column("cost", ["$1.00", "$12.00"], right=True),
        Column("", ["███", ""], may_go=1, bar=True),
    ]
    assert table(columns, 12, Pen()) == ["name    cost", "a v…   $1.00", "all   $12.00"]
    painted = table(columns, 40, Pen(colour=True), last_is_sum=True)
    assert painted[1].endswith("\x1b[36m███\x1b[0m")
    assert painted[2].startswith("\x1b[1mall")
    assert Pen(colour=True).strong("") == ""


def test_a_long_time_has_several_days_in_a_column():
    """And times are told with their year."""
    one = Portion(APP, TODAY, "opus", "7", Source.GATEWAY, spent("3"), NOON, NOON)
    early = replace(one, day=date(2025, 1, 1), first_ms=NOON - 690 * 86_400_000, spent=spent("1"))
    said = text(spending([one, early], By.SESSION, Period(None, TODAY), 5), "All", LOOK)
    assert said.startswith("All, 1 Jan 2025 to 23 Nov 2026\n")
    assert "12 days a column" in said
    assert " 2 Jan 2025 " in said
