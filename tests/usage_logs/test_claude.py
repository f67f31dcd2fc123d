"""What Claude Code's own logs tell, trap by trap. Amounts are worked out by hand from the list prices of the calls' days."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.logged import better
from gateway.core.price import price
from gateway.domain.logged import Row
from gateway.domain.usage import MAIN_LOOP, Rates, Unpriced
from gateway.pricing import ListPrices
from gateway.usage_logs import growing
from gateway.usage_logs.claude import CLAUDE

TRAPS = Path(__file__).parent / "fixtures" / "claude"
SESSION, FORK = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"
A, B, C, D, E = (f"msg_01{letter * 22}" for letter in "ABCDE")
AT_TEN_MS = 1_793_527_200_000


def log(trap: str, name: str = f"{SESSION}.jsonl") -> str:
    """The path of a made-up log."""
    return str(TRAPS / trap / name)


def nano(call: Row) -> int | None:
    """What it costs at the list prices of its day; None: unpriced."""
    usage = call.usage
    on = datetime.fromtimestamp(call.at_ms / 1000, UTC).date()
    rates = ListPrices().rates(usage.model, on, usage.service_tier, usage.speed, usage.geo)
    assert isinstance(rates, Rates | Unpriced)
    return None if isinstance(rates, Unpriced) else price(usage, rates).nano


def counts(call: Row) -> tuple[int, ...]:
    """Input, cache read, writes (5 m, 1 h, unsplit), output."""
    tokens = call.usage.tokens
    written = tokens.cache_write_5m, tokens.cache_write_1h, tokens.cache_write_unsplit
    return tokens.input, tokens.cache_read, *written, tokens.output


# Opus 4.8, nano-dollars a token: 5000 in, 500 read, 6250 and 10000 written, 25000 out; Haiku 4.5 a fifth of it; a search 10,000,000.
@pytest.mark.parametrize(
    ("trap", "told", "copies"),
    [
        # 3*5000 + 1000*500 + 200*6250 + 500*25000; 3*5000 + 70*25000
        ("stream_copies", {A: ((3, 1000, 200, 0, 0, 500), 14_265_000), B: ((3, 0, 0, 0, 0, 70), 1_765_000)}, 3),
        # 3*5000 + 10*25000 = 265,000 each; beside it 1000*6250, 1000*10000, 1000 at the dearer rate, 300*6250 + 500*10000 + 200*10000
        (
            "cache_writes",
            {
                A: ((3, 0, 1000, 0, 0, 10), 6_515_000),
                B: ((3, 0, 0, 1000, 0, 10), 10_265_000),
                C: ((3, 0, 0, 0, 1000, 10), 10_265_000),
                D: ((3, 0, 300, 500, 200, 10), 9_140_000),
            },
            0,
        ),
        # 100*5000 + 10*25000 = 750,000: twice as fast, half as a batch, 1.1 times in the US, with two searches, and as it is
        (
            "terms",
            {
                A: ((100, 0, 0, 0, 0, 10), 1_500_000),
                B: ((100, 0, 0, 0, 0, 10), 375_000),
                C: ((100, 0, 0, 0, 0, 10), 825_000),
                D: ((100, 0, 0, 0, 0, 10), 20_750_000),
                E: ((100, 0, 0, 0, 0, 10), 750_000),
            },
            0,
        ),
        # the progress record's placeholder: 100*1000 + 1*5000
        ("sub_agents", {A: ((100, 0, 0, 0, 0, 10), 750_000), B: ((100, 0, 0, 0, 0, 1), 105_000)}, 0),
        ("forks", {A: ((100, 0, 0, 0, 0, 10), 750_000), B: ((100, 0, 0, 0, 0, 20), 1_000_000)}, 0),
        # Opus 4.5: 100*5000 + 4*25000
        ("old_log", {A: ((100, 0, 0, 0, 0, 4), 600_000)}, 1),
        ("spaces", {A: ((100, 0, 0, 0, 0, 10), 750_000)}, 0),
        ("models", {A: ((100, 0, 0, 0, 0, 10), None), E: ((7, 0, 0, 0, 0, 1), None)}, 0),
        # 100*5000 + 10*25000; 200*5000 + 10*25000; 9*5000 + 6*25000
        (
            "relays",
            {
                f"ocgo {SESSION} {AT_TEN_MS}": ((100, 0, 0, 0, 0, 10), 750_000),
                f"ocgo {SESSION} {AT_TEN_MS + 60_000}": ((200, 0, 0, 0, 0, 10), 1_250_000),
                "chatcmpl-0123456789abcdef": ((9, 0, 0, 0, 0, 6), 195_000),
            },
            2,
        ),
        ("unfinished", {A: ((100, 0, 0, 0, 0, 10), 750_000)}, 0),
    ],
)
def test_each_call_is_told_once_with_its_tokens_and_costs_what_the_list_says(
    trap: str, told: dict[str, tuple[tuple[int, ...], int | None]], copies: int
):
    """A trap's calls, and no others, by the names that keep them apart; nothing of it is called unreadable."""
    found = CLAUDE.read(log(trap), None)
    assert {call.id: (counts(call), nano(call)) for call in found.calls} == told
    assert (found.copies, found.unreadable) == (copies, 0)


def test_a_log_that_is_damaged_or_made_to_harm_loses_only_the_lines_that_are():
    """Impossible counts, other shapes, holes and torn lines are counted, the calls around them are told, and nothing raises."""
    found = CLAUDE.read(log("hostile"), None)
    assert {call.id: nano(call) for call in found.calls} == {A: 750_000, B: 1_000_000}
    assert (found.unreadable, found.records) == (17, 21)


def test_a_call_belongs_to_the_session_that_its_sub_agent_was_started_from():
    """In progress records and in the sub-agent's own file, under its own loop; of both tellings the final one counts."""
    (main, early) = CLAUDE.read(log("sub_agents"), None).calls
    late, other = CLAUDE.read(log("sub_agents", f"{SESSION}/subagents/agent-a21e2f5.jsonl"), None).calls
    assert {call.session for call in (main, early, late, other)} == {SESSION}
    assert (main.loop, early.loop, late.loop, other.loop) == (MAIN_LOOP, "a21e2f5", "a21e2f5", "a21e2f5")
    assert (early.id, early.lower_bound, early.request) == (late.id, True, "req_B")
    assert (counts(late), late.lower_bound, better(late, early), better(early, late)) == (
        (100, 0, 0, 0, 0, 40),
        False,
        True,
        False,
    )


def test_what_a_fork_copied_has_the_same_names_and_the_main_loops_copy_counts():
    """Its own session stands in the copies, and a side question's under another request's name; both are the same calls."""
    past, fork = (CLAUDE.read(log("forks", f"{name}.jsonl"), None).calls for name in (SESSION, FORK))
    assert [call.id for call in past] == [A, B]
    assert [call.id for call in fork] == [A, B, C]
    assert not better(fork[1], past[1])
    assert better(past[1], fork[1])


def test_a_log_without_final_counts_is_a_lower_bound():
    """Before March 2026 no line told a stop reason; where it is told the count is final."""
    assert [call.lower_bound for call in CLAUDE.read(log("old_log"), None).calls] == [True]
    assert not any(call.lower_bound for call in CLAUDE.read(log("stream_copies"), None).calls)


def test_each_call_says_where_when_and_under_which_terms_it_was_made():
    """Directory, time, session; speed, tier and place as logged."""
    fast, batch, us, searched, plain = CLAUDE.read(log("terms"), None).calls
    assert (plain.directory, plain.session, plain.at_ms) == ("/srv/project", SESSION, AT_TEN_MS)
    assert (fast.usage.speed, batch.usage.service_tier, us.usage.geo) == ("fast", "batch", "us")
    assert (searched.usage.web_searches, plain.usage.service_tier) == (2, "standard")


def test_a_line_without_its_end_is_left_for_the_next_look(tmp_path: Path):
    """What was read is not read again, and the line is told once it is whole."""
    path = tmp_path / "log.jsonl"
    shutil.copy(log("unfinished"), path)
    first = CLAUDE.read(str(path), None)
    again = CLAUDE.read(str(path), first.mark)
    assert ([call.id for call in first.calls], again.calls, again.records) == ([A], (), 0)
    with path.open("ab") as file:
        file.write(b"\n")
    last = CLAUDE.read(str(path), again.mark)
    assert ([call.id for call in last.calls], last.mark.offset) == ([B], path.stat().st_size)


def test_a_file_that_is_not_the_one_that_was_read_is_read_from_its_start(tmp_path: Path):
    """Another file under the same name, one that has become shorter, and one that begins otherwise."""
    path = tmp_path / "log.jsonl"
    shutil.copy(log("forks"), path)
    mark = CLAUDE.read(str(path), None).mark
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"AAAA", b"XXXX") + whole)
    assert len(CLAUDE.read(str(path), mark).calls) == 3
    path.write_bytes(whole[: whole.index(b"\n") + 1])
    assert [call.id for call in CLAUDE.read(str(path), mark).calls] == [A]
    other = tmp_path / "other.jsonl"
    other.write_bytes(whole)
    other.replace(path)
    assert len(CLAUDE.read(str(path), mark).calls) == 2


def test_a_line_that_no_agent_writes_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is counted as unreadable once, is not kept in memory, and what follows is told, also at a later look."""
    monkeypatch.setattr(growing, "LINE_MAX", 4000)
    monkeypatch.setattr(growing, "BLOCK", 1000)
    path = tmp_path / "log.jsonl"
    good = Path(log("forks")).read_bytes()
    path.write_bytes(good + b'"usage"' * 1000)
    first = CLAUDE.read(str(path), None)
    assert (len(first.calls), first.unreadable) == (2, 1)
    with path.open("ab") as file:
        file.write(b"x" * 3000 + b"\n" + good)
    second = CLAUDE.read(str(path), first.mark)
    assert ([call.id for call in second.calls], second.unreadable) == ([A, B], 0)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path):
    """A pipe keeps no reader waiting; a folder and a missing file are errors of the system, too."""
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "missing"):
        with pytest.raises(OSError, match=r"regular|No such"):
            CLAUDE.read(str(path), None)


def test_homes_are_those_that_the_client_uses():
    """CLAUDE_CONFIG_DIR names them, separated by commas; without it there are two places."""
    assert CLAUDE.homes({}, "/home/me") == ("/home/me/.claude", "/home/me/.config/claude")
    assert CLAUDE.homes({"XDG_CONFIG_HOME": "/etc/me"}, "/home/me")[1] == "/etc/me/claude"
    assert CLAUDE.homes({"CLAUDE_CONFIG_DIR": " /a , /b,/a,"}, "/home/me") == ("/a", "/b")


def test_a_folder_is_owned_by_what_lies_in_it(tmp_path: Path):
    """A home by its `projects`, any other folder or file by a conversation in it; other agents' logs are none."""
    (tmp_path / "home" / "projects").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "rollout-2026.jsonl").write_text('{"sessionId":"x","uuid":"y"}\n')
    (tmp_path / "other" / "notes.jsonl").write_text("{}\n")
    assert CLAUDE.owns(str(tmp_path / "home"))
    assert CLAUDE.owns(str(TRAPS / "forks"))
    assert CLAUDE.owns(log("forks"))
    assert not CLAUDE.owns(str(tmp_path / "other"))
    assert not CLAUDE.owns(str(tmp_path / "missing"))
    assert not CLAUDE.owns(str(TRAPS / "forks" / "source.md"))


def test_files_are_the_conversations_below_and_no_link_to_a_folder_is_followed(tmp_path: Path):
    """Sub-agents' files too, in order; a home's other files are none."""
    home = tmp_path / "home"
    shutil.copytree(TRAPS / "sub_agents", home / "projects" / "-srv-project")
    (home / "history.jsonl").write_text("{}\n")
    (home / "projects" / "loop").symlink_to(home / "projects")
    found = [str(Path(path).relative_to(home / "projects" / "-srv-project")) for path in CLAUDE.files(str(home))]
    assert found == [f"{SESSION}/subagents/agent-a21e2f5.jsonl", f"{SESSION}.jsonl"]
    assert list(CLAUDE.files(log("forks"))) == [log("forks")]


def test_half_a_character_in_what_an_agent_wrote_costs_no_call(tmp_path: Path) -> None:
    """A program in JavaScript cuts a text within a character, and writes half of it: the line's usage counts all the same."""
    line = (TRAPS / "stream_copies" / f"{SESSION}.jsonl").read_bytes().splitlines()[0]
    assert b'"type":"assistant"' in line
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(line.replace(b'"type":"assistant"', b'"note":"a \\ud83d","type":"assistant"', 1) + b"\n")
    found = CLAUDE.read(str(cut), None)
    assert (len(found.calls), found.unreadable) == (1, 0)


def said(kind: str, name: str, prompt: str = "") -> str:
    """A line as the client writes it: the prompt's name stands in the user's lines alone, before their kind."""
    belongs = f'"promptId":"{prompt}",' if prompt else ""
    begins = f'{{"parentUuid":null,"isSidechain":false,{belongs}'
    if kind == "user":
        return f'{begins}"type":"user","message":{{"role":"user","content":[{{"type":"tool_result","content":"{name}"}}]}}}}\n'
    usage = '{"input_tokens":100,"output_tokens":10}'
    told = f'{{"id":"{name}","model":"claude-opus-4-8","stop_reason":"end_turn","usage":{usage}}}'
    return f'{begins}"message":{told},"type":"assistant","timestamp":"2026-11-01T10:00:00.000Z"}}\n'


def test_a_call_of_a_time_without_agents_is_unreadable(tmp_path: Path):
    """One line of the year 9999 or of 1970 would make a report of everything one of thousands of years, which nobody gets."""
    path = tmp_path / f"{SESSION}.jsonl"
    years = ("1970", "2019", "2070", "9999")
    far = [said("assistant", A).replace('"timestamp":"2026', f'"timestamp":"{year}') for year in years]
    path.write_text("".join([*far, said("assistant", B)]), encoding="utf-8")
    found = CLAUDE.read(str(path), None)
    assert ([call.id for call in found.calls], found.unreadable) == ([B], 4)


def test_calls_belong_to_the_prompt_of_the_users_line_before_them(tmp_path: Path):
    """Also where the log was read up to between the two, and of a sub-agent by its own file; what is no name is none."""
    path = tmp_path / f"{SESSION}.jsonl"
    lines = [
        said("assistant", A),
        said("user", "go", "p-1"),
        said("assistant", B),
        said("user", "result"),
        said("assistant", C),
    ]
    path.write_text("".join([*lines, said("user", "on", "long-2")]), encoding="utf-8")
    first = CLAUDE.read(str(path), None)
    assert {call.id: call.prompt for call in first.calls} == {A: "", B: "p-1", C: "p-1"}
    with path.open("a", encoding="utf-8") as file:
        file.write(
            said("assistant", D) + said("user", "x", "p" * 201) + said("user", "x", "\u00fc") + said("assistant", E)
        )
    second = CLAUDE.read(str(path), first.mark)
    assert {call.id: call.prompt for call in second.calls} == {D: "long-2", E: "long-2"}
    side = tmp_path / SESSION / "subagents" / "agent-a1.jsonl"
    side.parent.mkdir(parents=True)
    side.write_text(said("user", "look", "p-1") + said("assistant", A), encoding="utf-8")
    [call] = CLAUDE.read(str(side), None).calls
    assert (call.session, call.loop, call.prompt) == (SESSION, "a1", "p-1")
