"""What came of the money, as people and programs read it."""

import csv
import json
from dataclasses import replace
from datetime import UTC, date
from io import StringIO

import pytest
from rich.cells import cell_len

from gateway.core.outcome import DAY_MS
from gateway.core.results import results
from gateway.core.spending import spending
from gateway.domain.money import Usd
from gateway.domain.outcome import Change, Commit, Fate, LeftKind, Merged, SeenTests, Sight, Whose
from gateway.domain.results import Results, Survival, Turned
from gateway.domain.spending import By, Period, Place, Portion, Source, Spending, Spent
from gateway.domain.turn import OutcomeKind
from gateway.reports.looks import Look
from gateway.reports.results import text
from gateway.reports.results_values import COLUMNS, as_csv, as_markdown, as_values

NOW = 1_795_435_200_000
OLD = NOW - 10 * DAY_MS
TODAY = date(2026, 11, 23)
LOOK = Look(UTC, own="/home/me")


def dollars(cents: int) -> int:
    """In nano-dollars."""
    return cents * 10_000_000


def commit(number: int, fate: Fate | None, whose: Whose = Whose.TURN, at_ms: int = OLD) -> Commit:
    """A commit of twenty lines."""
    return Commit("t", str(number), "/r/.git", whose, Change(1, 20, 0), at_ms, at_ms, fate)


def some() -> list[Turned]:
    """Turns of all that there can be: two projects, one with a name that a spreadsheet or a terminal could stumble over."""
    fine = Fate(NOW, branch="main", merged=Merged.ITSELF, after_7=15)
    one = Turned(
        *("s_1", "/home/me/app", "claude", "opus", OLD, dollars(1000), 9, 0, False, True, OutcomeKind.ANSWER),
        *(LeftKind.COMMITS, Sight.SEEN, SeenTests(2, "pytest", passed=True)),
        (commit(1, fine), commit(2, fine), commit(3, replace(fine, reverted_by="f")), commit(4, Fate(NOW))),
    )
    bare = one._replace(commits=(), tests=SeenTests(), left=LeftKind.ANSWER, cost=dollars(250))
    two = one._replace(session="s_2", project="=lib\x1b[2J", commits=(commit(5, fine), commit(6, None, Whose.SHARED)))
    return [
        one,
        two._replace(cost=dollars(300), at_least=True),
        bare._replace(left=LeftKind.ERROR, cost=dollars(400), tests=SeenTests(1, "make", passed=False)),
        bare._replace(left=LeftKind.NOTHING, session="s_3"),
        bare._replace(left=LeftKind.CANCELLED, cost=dollars(50)),
        bare._replace(left=LeftKind.DIFF),
        bare._replace(left=LeftKind.TESTS, tests=SeenTests(1, "make")),
        bare._replace(left=LeftKind.REWRITTEN, commits=(commit(7, None, Whose.REWRITTEN),)),
        bare._replace(sight=Sight.NO_REPOSITORY, cost=dollars(5), unpriced=2),
        bare._replace(at_ms=NOW - DAY_MS, commits=(commit(8, None, at_ms=NOW - DAY_MS), commit(9, None))),
        bare._replace(left=None, sight=None, cost=dollars(7)),
        bare._replace(over=False, left=None, sight=None, cost=dollars(3)),
    ]


def found(by: By = By.PROJECT, top: int = 0, turns: list[Turned] | None = None) -> Results:
    """What came of them."""
    places = {"s_1": Place("s_1", "claude", "/home/me/app", "Fix the login")}
    return results(some() if turns is None else turns, by, NOW, top, places)


def spent(logs: bool = True) -> Spending:
    """A week, in which there were logs too."""
    portion = Portion(Place("0c6a", "codex", "/srv"), TODAY, "", "", Source.LOGS, Spent(Usd(5), calls=3, turns=1), 1, 1)
    return spending([portion] if logs else [], By.SESSION, Period(date(2026, 11, 17), TODAY), 0)


WHOLE = """\
What came of it: Last 7 days, 17 Nov to 23 Nov 2026
$30.15+? in 12 turns of 3 sessions. $7.00, 23 % of it, in turns that ended with
  nothing, an error or a stop.

turns that left         turns  median     cost
commits                     2   $6.50  $13.00+  43 %  ████████████████████
commits made anew           1   $2.50    $2.50   8 %  ███▉
changes, not committed      1   $2.50    $2.50   8 %  ███▉
tests run, no change        1   $2.50    $2.50   8 %  ███▉
an answer, no change        2   $1.28   $2.55?   8 %  ███▉
nothing                     1   $2.50    $2.50   8 %  ███▉
an error                    1   $4.00    $4.00  13 %  ██████▏
a stop                      1   $0.50    $0.50   2 %  ▊
not known                   1   $0.07    $0.07  <1 %  ▏
not over yet                1   $0.03    $0.03  <1 %  ▏

$9.17 per surviving commit: all turns in repositories up to 16 Nov ($27.50+,
  whatever came of them), divided by 3 surviving commits.
  By session: median $7.00, $3.00 to $11.00, n = 2; 1 more, $2.50, without any.

7 commits
survive                                 3  43 %  ████████████████████
lost (reverted, gone, or no line left)  1  14 %  ██████▋
not 7 days old: not known yet           1  14 %  ██████▋
on no default branch                    1  14 %  ██████▋
not known                               1  14 %  ██████▋
Of the lines added 75 % were there after 7 days (60 of 80, n = 4).

project        turns     cost  fruitless  commits  survive    each
~/app             11  $27.15?       26 %        6   2 of 3  $12.25
=lib\\u{1b}[2J      1   $3.00+          -        1   1 of 1   $3.00

Tests were run in 4 turns; the last run: 2 passed, 1 failed, 1 not known.
Unattributed: 1 commit of 9 (11 %) cannot be attributed; of $0.07 (<1 %) nobody
  knows what came of it.
Not in the price of a commit: $2.50 in turns of the last 7 days; $0.05? outside
  of repositories; $0.10 never looked at.
Not watched: $0.000000005 more is from agents' own logs, of which nobody knows
  what came.
? without 2 calls whose model has no known price.
+ at least this much: some calls' final count was never told.
Still to be looked at again: 3 commits. A running gateway does that.
Costs are list prices; on a subscription you pay none of them by the call.
No figure here sees what the work is worth, whether it is right, the time to
  review and mend it, or who made a commit: one that you make while a turn runs
  counts as the turn's."""


def test_a_report_with_everything_in_it_reads_like_this() -> None:
    """Each block with its figures, in 80 columns."""
    assert text(found(), spent(), "Last 7 days", LOOK, By.PROJECT, 3) == WHOLE


@pytest.mark.parametrize("columns", [30, 44, 60, 80, 120])
@pytest.mark.parametrize("by", [By.PROJECT, By.SESSION, By.MODEL, By.AGENT])
def test_no_line_is_wider_than_the_terminal_and_no_name_moves_the_cursor(by: By, columns: int) -> None:
    """At any width, whatever it is added up by, with groups left out."""
    told = text(found(by, 1), spent(), "Last 7 days", replace(LOOK, width=columns), by, 0)
    assert max(map(cell_len, told.splitlines())) <= columns
    assert "\x1b" not in told
    assert "an error" in told


def test_nothing_metered_is_said_and_what_only_logs_know_is_not_watched() -> None:
    """No table of nothing."""
    told = text(found(turns=[]), spent(), "Last 7 days", LOOK, By.PROJECT, 0)
    assert "The gateway has metered no turn in this time." in told
    assert "Not watched: $0.000000005 more is from agents' own logs" in told
    assert "turns that left" not in told


def test_a_price_is_not_known_before_its_time_and_never_by_nothing() -> None:
    """Of the last days alone there is none yet; where no commit survives it is not infinite but said; no end is no loss."""
    one = some()[0]
    young = text(found(turns=[one._replace(at_ms=NOW, commits=())]), spent(logs=False), "Today", LOOK, By.PROJECT, 1)
    assert "Cost per surviving commit: not known yet." in young
    assert "No turn ended with nothing, an error or a stop." in young
    assert "Not watched" not in young
    assert "Still to be looked at again: 1 commit." in young
    none = text(found(turns=[one._replace(commits=(), cost=0)]), spent(logs=False), "Today", LOOK, By.PROJECT, 0)
    assert "No commit survives, so far, of turns in repositories up to 16 Nov ($0.00" in none


def test_many_sessions_are_told_by_their_middle_half() -> None:
    """Of few the range, of many the quarters; sessions without a surviving commit are told beside them."""
    one = some()[0]
    turns = [
        one._replace(
            session=f"s_{number}", cost=dollars(100 * number), commits=(replace(one.commits[0], sha=str(number)),)
        )
        for number in range(1, 14)
    ]
    told = text(found(turns=turns), spent(), "Last 7 days", LOOK, By.PROJECT, 0)
    assert "By session: median $7.00, the middle half $4.00 to $10.00, n = 13." in told
    few = text(found(turns=[*turns[:3], one._replace(session="s_x", commits=())]), spent(), "x", LOOK, By.PROJECT, 0)
    assert "By session: median $2.00, $1.00 to $3.00, n = 3; 1 more, $10.00, without any." in few


def test_programs_are_told_every_figure_and_no_name_of_a_commit_or_person() -> None:
    """Amounts as decimal strings; what is not known is null; what git knows by a name stays here."""
    told = as_values(found(top=1), spent(), LOOK, By.PROJECT, 3)
    assert json.loads(json.dumps(told)) == told
    assert (told["schema"], told["by"], told["commits_due"]) == (1, "project", 3)
    assert told["fruitless"]["cost_usd"] == "7.00"
    kinds = {one["kind"]: (one["turns"], one["cost_usd"], one["median_usd"]) for one in told["came_of_it"]}
    assert kinds["commits"] == (2, "13.00", "6.50")
    assert kinds["open"] == (1, "0.03", "0.03")
    price = told["per_surviving_commit"]
    assert (price["surviving_commits"], price["overall_usd"], price["priced"]["cost_usd"]) == (
        3,
        "9.166666666",
        "27.50",
    )
    assert price["by_session"]["median_usd"] == "7.00"
    assert told["commits"]["fates"] == {"survives": 3, "lost": 1, "unmerged": 1, "young": 1, "unknown": 1}
    assert told["groups"][0]["usd_per_surviving_commit"] == "12.25"
    assert told["rest"]["groups"] == 1
    assert told["not_watched"]["turns"] == 1
    assert "/r/.git" not in json.dumps(told)
    by_session = as_values(found(By.SESSION), spent(), LOOK, By.SESSION, 0)
    assert by_session["groups"][0]["project"] == "/home/me/app"
    assert "Fix the login" not in json.dumps(by_session)
    assert as_values(found(turns=[]), spent(), LOOK, By.PROJECT, 0)["per_surviving_commit"]["by_session"] is None


def test_a_spreadsheet_gets_all_groups_under_a_header_that_stays() -> None:
    """A name that could be taken for a formula begins with an apostrophe."""
    rows = list(csv.DictReader(StringIO(as_csv(found(), By.PROJECT))))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["name"][:5] for row in rows] == ["/home", "'=lib"]
    assert (rows[0]["commits_survives"], rows[0]["fruitless_usd"], rows[0]["usd_per_surviving_commit"]) == (
        "2",
        "7.00",
        "12.25",
    )
    [one, *_] = list(csv.DictReader(StringIO(as_csv(found(By.SESSION), By.SESSION))))
    assert (one["agent"], one["project"]) == ("claude", "/home/me/app")


def test_markdown_has_two_tables_and_says_what_it_cannot_see() -> None:
    """Every row has as many cells as its head; titles stay here."""
    told = as_markdown(found(By.SESSION), spent(), "Last 7 days", LOOK, By.SESSION)
    assert "| an error | 1 | $4.00 |" in told
    assert told.rstrip().endswith("counts as the turn's.")
    assert "Fix the login" not in told
    table = [line for line in told.splitlines() if line.startswith("|")][-4:]
    assert {line.replace("\\|", "").count("|") for line in table} == {9}
    nothing = as_markdown(found(turns=[some()[0]._replace(cost=0)]), spent(), "x", LOOK, By.PROJECT)
    assert "| $0.00 | - | 4 |" in nothing


def test_each_survival_has_its_words() -> None:
    """None is left without."""
    told = text(found(), spent(), "Last 7 days", LOOK, By.PROJECT, 0)
    for words in ("survive", "lost (", "not 7 days old", "on no default branch", "not known"):
        assert words in told
    assert len(Survival) == 5
