import json
from dataclasses import replace
from datetime import UTC
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, RenderableType

from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session, Thread, Unmetered
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Flag, Tokens
from gateway.reports.cost import report
from gateway.reports.text import NOTE, report_tables, sessions_table, short_path

SESSION = Session(
    id="s_0123456789abcdef",
    agent="claude",
    directory="/home/me/projects/a-rather-long-name/of-a-project",
    thread=Thread("telegram", "4711"),
    owner="4711",
    created_at_ms=1_795_000_000_000,
)
ESTIMATE = Estimate(Usd(75_000_000), Usd(900_000_000), Usd(2_400_000_000), 37, Usd(2_400_000_000), "words")
TURN = Turn(
    id="t_0123456789abcdef",
    session_id=SESSION.id,
    origin=Origin.PERSON,
    state=TurnState.FINISHED,
    person="4711",
    prompt="Fix the login test, and my password is hunter2",
    prompt_uuid="uuid",
    created_at_ms=1_795_000_000_000,
    model="claude-opus-4-8",
    estimate=ESTIMATE,
    hold=Usd(2_400_000_000),
    spent=Usd(420_000_001),
    tokens=Tokens(input=10, cache_read=20, cache_write_5m=30, cache_write_1h=40, cache_write_unsplit=50, output=60),
    calls=3,
)


def shown(table: RenderableType, width: int = 80) -> str:
    """The table as a terminal of this width shows it."""
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_report_has_the_promised_shape_to_the_last_key():
    """Schema 1 as published: readers may rely on every name and form."""
    off = Unmetered("9f1c", "/home/me/app", 1_795_000_000_000, 1_795_000_061_001, told_at_ms=1)
    assert report([SESSION], [TURN], [off]) == {
        "schema": 1,
        "sessions": [
            {
                "id": "s_0123456789abcdef",
                "agent": "claude",
                "directory": "/home/me/projects/a-rather-long-name/of-a-project",
                "cost_usd": "0.420000001",
                "unpriced_calls": 0,
                "calls": 3,
                "tokens": {
                    "input": 10,
                    "cache_read": 20,
                    "cache_write_5m": 30,
                    "cache_write_1h": 40,
                    "cache_write_unsplit": 50,
                    "output": 60,
                },
                "turns": [
                    {
                        "id": "t_0123456789abcdef",
                        "origin": "person",
                        "state": "finished",
                        "model": "claude-opus-4-8",
                        "cost_usd": "0.420000001",
                        "hold_usd": "2.40",
                        "overdraft_usd": "0.00",
                        "unpriced_calls": 0,
                        "flags": [],
                        "estimate": {"floor_usd": "0.075", "p50_usd": "0.90", "p90_usd": "2.40", "n": 37},
                        "calls": 3,
                        "tokens": {
                            "input": 10,
                            "cache_read": 20,
                            "cache_write_5m": 30,
                            "cache_write_1h": 40,
                            "cache_write_unsplit": 50,
                            "output": 60,
                        },
                    }
                ],
            }
        ],
        "unmetered": [
            {
                "session": "9f1c",
                "directory": "/home/me/app",
                "since": "2026-11-18T11:06:40.000+00:00",
                "last": "2026-11-18T11:07:41.001+00:00",
            }
        ],
    }


def test_a_session_is_the_sum_of_its_turns_and_of_nobody_elses():
    """Cost, calls and tokens by class add up, background turns and stopped ones included."""
    other = replace(SESSION, id="s_other")
    turns = [
        TURN,
        replace(TURN, id="t_2", origin=Origin.BACKGROUND, state=TurnState.STOPPED, spent=Usd(1), calls=1),
        replace(TURN, id="t_3", session_id="s_other", spent=Usd(5_000_000_000), calls=7),
    ]
    first, second = report([SESSION, other], turns)["sessions"]
    assert (first["cost_usd"], first["calls"], first["tokens"]["output"]) == ("0.420000002", 4, 120)
    assert [turn["id"] for turn in first["turns"]] == [TURN.id, "t_2"]
    assert (second["cost_usd"], second["calls"]) == ("5.00", 7)


def test_what_nobody_knows_is_null_and_never_zero():
    """A turn whose every call is unpriced has no cost, a young history no quantiles, an unpriced model no floor."""
    estimate = replace(ESTIMATE, p50=None, p90=None, n=2, floor=ZERO, unpriced="mystery-1")
    turn = replace(TURN, spent=ZERO, calls=2, unpriced_calls=2, estimate=estimate, model=None)
    (session,) = report([SESSION], [turn])["sessions"]
    assert session["cost_usd"] is None
    assert session["unpriced_calls"] == 2
    (shown_turn,) = session["turns"]
    assert shown_turn["cost_usd"] is None
    assert shown_turn["model"] is None
    assert shown_turn["estimate"] == {"floor_usd": None, "p50_usd": None, "p90_usd": None, "n": 2}
    assert report([SESSION], [replace(TURN, estimate=None)])["sessions"][0]["turns"][0]["estimate"] is None


def test_known_spending_is_reported_beside_unpriced_calls():
    """What is known stays a fact, and the count says that it is not all."""
    turn = replace(TURN, unpriced_calls=1)
    (session,) = report([SESSION], [turn])["sessions"]
    assert (session["cost_usd"], session["unpriced_calls"]) == ("0.420000001", 1)


def test_a_turn_that_spent_nothing_cost_nothing():
    """A refused turn is a known zero."""
    turn = replace(TURN, state=TurnState.REFUSED, spent=ZERO, hold=ZERO, calls=0, tokens=Tokens())
    assert report([SESSION], [turn])["sessions"][0]["turns"][0]["cost_usd"] == "0.00"
    assert report([SESSION], [])["sessions"][0]["cost_usd"] == "0.00"


def test_overdraft_and_flags_are_told():
    """What was spent beyond the hold, and how sure the figures are."""
    turn = replace(TURN, hold=Usd(400_000_000), flags=frozenset({Flag.RECONCILED, Flag.LOWER_BOUND}))
    (told,) = report([SESSION], [turn])["sessions"][0]["turns"]
    assert (told["overdraft_usd"], told["flags"]) == ("0.020000001", ["lower_bound", "reconciled"])


def test_the_report_is_json_without_prompts():
    """What people wrote is not part of an account of money."""
    text = json.dumps(report([SESSION], [TURN]))
    assert "hunter2" not in text
    assert json.loads(text)["schema"] == 1


def test_tables_fit_into_eighty_columns_with_every_amount_whole():
    """Long names are cut, figures are not."""
    wide = replace(
        TURN,
        model="anthropic.claude-with-a-very-long-name-20261122-v1:0",
        state=TurnState.INTERRUPTED,
        origin=Origin.BACKGROUND,
        calls=1_234,
        hold=Usd.parse("12345.67"),
        spent=Usd.parse("23456.78"),
        tokens=Tokens(cache_read=999_999_999),
        flags=frozenset(Flag),
        unpriced_calls=1,
    )
    for table in (report_tables([SESSION], [TURN, wide]), sessions_table([SESSION], [TURN, wide], UTC)):
        text = shown(table)
        assert max(len(line) for line in text.splitlines()) <= 80
        assert "$23457.20" in text
    text = shown(report_tables([SESSION], [TURN, wide]))
    for whole in ("$12345.67", "$0.42", "$23456.78+~?", "interrupted", "background", "1000.0M", "1234", NOTE):
        assert whole in " ".join(text.split())


def test_a_narrow_terminal_shows_fewer_columns_and_every_amount():
    """At 40 columns each cost stands there whole, however little else does; at 20 still."""
    other = replace(TURN, state=TurnState.INTERRUPTED, spent=Usd.parse("1234.56"), flags=frozenset({Flag.RECONCILED}))
    for width in (20, 30, 40, 60):
        text = shown(report_tables([SESSION], [TURN, other], width), width)
        assert all(amount in text for amount in ("$0.42", "$1234.56~", "$1234.98~"))
        table = text[text.index("turn") :].partition("\n\n")[0]
        assert "…" not in table
        text = shown(sessions_table([SESSION], [TURN, other], UTC, width), width)
        assert "$1234.98~" in text
        assert "…" not in text.replace("…/", "")
    narrow = shown(report_tables([SESSION], [TURN], 40), 40)
    assert "state" in narrow
    assert not any(name in narrow for name in ("model", "from", "hold"))


def test_a_roomy_terminal_shows_what_each_turn_was_about() -> None:
    """One line of it, cut to what is left beside figures that stay whole; at the usual width there is no room."""
    asked = replace(TURN, prompt="Fix the login test\x1b[2J\nand then\tmuch more " + "x" * 500)
    wide = replace(TURN, prompt="直" * 79)
    long = replace(TURN, model="anthropic.claude-with-a-very-long-name-20261122-v1:0")
    for width in (110, 140, 300):
        text = shown(report_tables([SESSION], [asked, wide, long], width), width)
        assert "Fix the login test" in text
        assert "\x1b" not in text
        assert max(cell_len(line) for line in text.splitlines()) <= min(width, 140)
        assert text.count("$0.42") == 3
        assert "claude-opus-4-8" in text
    for width in (40, 80, 109):
        assert "Fix the" not in shown(report_tables([SESSION], [asked], width), width)


def test_chat_and_report_count_tokens_alike():
    """One figure is not told in two ways."""
    turn = replace(TURN, tokens=Tokens(cache_read=9_500))
    assert "10k" in shown(report_tables([SESSION], [turn]))


def test_the_report_explains_its_marks():
    """A mark without its meaning would be noise."""
    plain = shown(report_tables([SESSION], [TURN]))
    assert "at least" not in plain
    marked = shown(report_tables([SESSION], [replace(TURN, flags=frozenset({Flag.LOWER_BOUND}), unpriced_calls=1)]))
    assert "+ at least this much" in marked
    assert "? calls without a known price are not in it" in marked
    assert "unknown" in shown(report_tables([SESSION], [replace(TURN, spent=ZERO, unpriced_calls=3)]))


def test_empty_accounts_say_what_to_do():
    """Nobody is shown an empty table."""
    assert "no sessions yet" in shown(sessions_table([], [], UTC))
    assert "Nothing was spent yet" in shown(report_tables([SESSION], []))


def test_markup_in_a_directorys_name_stays_text():
    """A directory cannot colour or blank the report."""
    assert "[red]x" in shown(sessions_table([replace(SESSION, directory="/[red]x")], [], UTC))


def test_directories_keep_their_end():
    """The own name of a directory says more than its root."""
    assert short_path("/a/b", 10) == "/a/b"
    assert short_path("/home/me/projects/bridge", 18) == "…/projects/bridge"
    assert short_path("/" + "x" * 50, 10) == "…xxxxxxxxx"
