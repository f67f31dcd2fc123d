"""Codex's rollouts: what each known trap costs, by hand. Rates of gpt-5 per token: input 1250, cached 125, output 10000 nano-dollars."""

import json
from itertools import pairwise, permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.logged import Row
from gateway.domain.usage import MAIN_LOOP, Tokens, Unpriced
from gateway.ports import UsageLog
from gateway.usage_logs.codex import CODEX
from tests.usage_logs.reading import FIXTURES, costs, scan

HERE = FIXTURES / "codex"
PARENT = "01970000-0000-7000-8000-00000000000a"
CHILD = "01970000-0000-7000-8000-00000000000b"
LOG: UsageLog = CODEX
_NAMES = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")


def calls_of(trap: str) -> list[Row]:
    """The calls of a trap's files, once each."""
    return list(scan(LOG, HERE / trap).values())


def test_unchanged_totals_are_no_call_again() -> None:
    """Re-emitted totals and events with nothing but rate limits count nothing; what is cached is within the input, reasoning within the output."""
    (path,) = LOG.files(str(HERE / "repeated"))
    read = LOG.read(path, None)
    assert [call.usage.tokens for call in read.calls] == [
        Tokens(input=1000, output=100, reasoning=40),
        Tokens(input=1000, cache_read=1000, output=200),
    ]
    # 1000 x 1250 + 100 x 10000; 1000 x 1250 + 1000 x 125 + 200 x 10000
    assert costs(read.calls) == [2_250_000, 3_375_000]
    assert (read.records, read.unreadable, read.copies) == (9, 0, 3)
    first = read.calls[0]
    assert (first.session, first.directory, first.loop, first.at_ms) == (
        PARENT,
        "/home/me/api",
        MAIN_LOOP,
        1777629602000,
    )


def test_totals_that_begin_anew_are_counted_from_there() -> None:
    """After a resume that starts its totals again, each call is booked as what it used."""
    # ... 1000 x 1250 + 500 x 125 + 50 x 10000; 500 x 1250 + 500 x 125 + 30 x 10000
    assert costs(calls_of("restarted")) == [2_250_000, 3_375_000, 1_812_500, 987_500]


def test_totals_alone_are_told_by_their_differences() -> None:
    """Where the last call's usage is missing, the difference of the totals is the call."""
    assert costs(calls_of("last_missing")) == [2_250_000, 3_375_000]


@pytest.mark.parametrize("order", list(permutations(["a", "b"])))
def test_a_fork_does_not_bill_its_parents_history_again(order: tuple[str, ...]) -> None:
    """The history in a fork's file counts once, whichever file is read first."""
    found = scan(LOG, *(next((HERE / "fork").glob(f"*{end}.jsonl")) for end in order))
    # both: 2250000 + 3375000; parent: 2000 x 1250 + 2000 x 125 + 300 x 10000; child: 500 x 1250 + 20 x 10000
    assert sorted(costs(found.values()), key=str) == sorted([2_250_000, 3_375_000, 5_750_000, 825_000], key=str)
    by_cost = dict(zip(costs(found.values()), found.values(), strict=True))
    assert by_cost[2_250_000].session == PARENT  # the earlier copy is the original
    assert by_cost[825_000].session == CHILD


@pytest.mark.parametrize("order", list(permutations(["a", "b", "c"])))
def test_a_fork_of_a_fork_without_turn_ids_counts_once(order: tuple[str, ...]) -> None:
    """Older files share no turn ids: the thread with which the history began tells their calls apart."""
    found = scan(LOG, *(next((HERE / "fork_of_old").glob(f"*{end}.jsonl")) for end in order))
    assert len(found) == 5
    assert sum(cost for cost in costs(found.values()) if isinstance(cost, int)) == 14_450_000


def test_a_call_has_the_model_of_its_turn() -> None:
    """The model may change within a session."""
    # gpt-5-mini: 1000 x 250 + 1000 x 25 + 200 x 2000
    assert costs(calls_of("models")) == [2_250_000, 675_000]


def test_a_call_without_a_model_is_unpriced() -> None:
    """No model is guessed."""
    (call,) = calls_of("no_model")
    assert call.usage.model == ""
    assert isinstance(costs([call])[0], Unpriced)


def test_each_tier_has_a_price_of_its_own() -> None:
    """What is told of a thread holds for the calls after it; a tier without a known price is unpriced."""
    found = calls_of("tiers")
    assert [call.usage.service_tier for call in found] == ["standard", "priority", "flex", "urgent"]
    # gpt-5.4: 1000 x 2500 + 100 x 15000; 600 x 5000 + 400 x 500 + 100 x 30000; 1000 x 1250 + 100 x 7500
    assert costs(found)[:3] == [4_000_000, 6_200_000, 2_000_000]
    assert isinstance(costs(found)[3], Unpriced)
    assert found[1].usage.tokens == Tokens(input=600, cache_read=400, output=100)


def test_a_cliff_is_judged_by_one_call() -> None:
    """A call is dear by its own context, not by the session's total."""
    # gpt-5.4: 150000 x 2500 + 50000 x 250 + 1000 x 15000; above 272000: 200000 x 5000 + 100000 x 500 + 1000 x 22500
    assert costs(calls_of("cliff")) == [402_500_000, 1_072_500_000]


def test_responses_count_by_their_own_ids_with_compactions() -> None:
    """A response told by a record and by totals is one call; a compaction is in no total and counts."""
    (path,) = LOG.files(str(HERE / "compacted"))
    read = LOG.read(path, None)
    # gpt-5.4: 1000 x 2500 + 100 x 15000; 400 x 2500 + 8000 x 250 + 600 x 2500 + 50 x 15000; 1000 x 2500 + 1000 x 250 + 200 x 15000
    assert costs(read.calls) == [4_000_000, 5_250_000, 5_750_000]
    assert [call.id for call in read.calls] == ["response/resp_1", "response/resp_2", "response/resp_3"]
    assert read.calls[1].usage.tokens == Tokens(input=400, cache_read=8000, cache_write_unsplit=600, output=50)
    assert read.copies == 3


def test_a_sub_agents_calls_belong_to_its_parent() -> None:
    """A spawned thread's own call is its parent session's, in a loop of its own; the history before it is not counted again."""
    found = calls_of("spawned")
    assert [(call.session, call.loop) for call in found] == [(PARENT, MAIN_LOOP), (PARENT, MAIN_LOOP), (PARENT, CHILD)]
    assert costs(found) == [2_250_000, 3_375_000, 825_000]


def test_a_home_has_its_archive_and_nothing_else() -> None:
    """Archived threads are read, the history of prompts is not."""
    assert len(list(LOG.files(str(HERE / "home")))) == 2
    assert costs(calls_of("home")) == [3_375_000, 2_250_000]
    assert LOG.owns(str(HERE / "home"))
    assert not LOG.owns(str(FIXTURES / "gemini"))
    assert LOG.homes({"CODEX_HOME": "/c"}, "/home/me") == ("/c",)
    assert LOG.homes({}, "/home/me") == ("/home/me/.codex",)


def test_terms_of_a_thread_hold_for_its_calls(tmp_path: Path) -> None:
    """A service tier stays until another is named; one of which no price is known is unpriced."""
    lines = (next((HERE / "models").glob("*.jsonl"))).read_text().splitlines()

    def settings(told: dict[str, object]) -> str:
        payload = {"type": "thread_settings_applied", "thread_settings": told}
        return json.dumps({"timestamp": "2026-05-01T10:00:01Z", "type": "event_msg", "payload": payload})

    path = tmp_path / "rollout-a.jsonl"
    path.write_text("\n".join([*lines[:2], settings({"service_tier": "fast"}), settings({}), *lines[2:], ""]))
    read = LOG.read(str(path), None)
    assert [call.usage.service_tier for call in read.calls] == ["priority", "priority"]
    path.write_text("\n".join([*lines[:2], settings({"service_tier": "default"}), *lines[2:], ""]))
    assert [call.usage.service_tier for call in LOG.read(str(path), None).calls] == ["standard", "standard"]


def test_what_totals_hold_beyond_the_last_call_is_booked(tmp_path: Path) -> None:
    """A call whose event was lost is in the next total, and counts beside the call told there."""
    lines = (next((HERE / "repeated").glob("*.jsonl"))).read_text().splitlines()
    grown = (
        lines[6]
        .replace('"input_tokens":3000', '"input_tokens":3500')
        .replace('"output_tokens":300', '"output_tokens":320')
    )
    path = tmp_path / "rollout-a.jsonl"
    path.write_text("\n".join([*lines[:4], grown, ""]))
    # the lost one: 500 x 1250 + 20 x 10000
    assert costs(LOG.read(str(path), None).calls) == [2_250_000, 825_000, 3_375_000]


_USED = st.tuples(st.integers(1, 9000), st.integers(0, 1), st.integers(1, 900), st.integers(0, 1)).map(
    lambda told: {
        "input_tokens": told[0],
        "cached_input_tokens": told[0] * told[1] // 2,
        "output_tokens": told[2],
        "reasoning_output_tokens": told[2] * told[3] // 2,
    }
)
_EVENT = st.tuples(
    _USED,
    st.sampled_from(["", "anew", "lost"]),
    st.sampled_from(["", "before", "after"]),
    st.integers(0, 2),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(events=st.lists(_EVENT, max_size=8), turns=st.booleans())
def test_every_way_to_tell_calls_gives_the_calls(
    events: list[tuple[dict[str, int], str, str, int, bool]], turns: bool
) -> None:
    """Totals that repeat, begin anew or skip an event, with and without a record beside them: what was used is what is booked."""
    lines: list[dict[str, object]] = [{"type": "session_meta", "payload": {"id": PARENT, "cwd": "/home/me"}}]
    total = dict.fromkeys(_NAMES, 0)
    truth = 0
    for position, (drawn, way, recorded, repeats, compacted) in enumerate(events):
        # No two calls are alike: a first call that equals the one before it looks like a repetition.
        used = {**drawn, "input_tokens": drawn["input_tokens"] + 10_000 * position}
        turn = f"01970000-1111-7000-8000-{position // 3:012}"
        lines.append({"type": "turn_context", "payload": {"model": "gpt-5", **({"turn_id": turn} if turns else {})}})
        if compacted:
            other = {**used, "input_tokens": used["input_tokens"] + 1_000_000}
            lines.append({"type": "token_usage_record", "payload": {"response_id": f"c{position}", "usage": other}})
            truth += other["input_tokens"] + other["output_tokens"]
        total = {name: used[name] + (0 if way == "anew" else total[name]) for name in _NAMES}
        truth += used["input_tokens"] + used["output_tokens"]
        if way == "lost":
            continue
        payload = {"response_id": f"r{position}", "usage": used, "thread_token_usage": total}
        record: dict[str, object] = {"type": "token_usage_record", "payload": payload}
        info = {"total_token_usage": total, "last_token_usage": used}
        lines += [record] * (recorded == "before")
        lines += [{"type": "event_msg", "payload": {"type": "token_count", "info": info}}] * (1 + repeats)
        lines += [record] * (recorded == "after")
    # What was lost at the very beginning, at the very end, or before totals began anew, is in no total that follows.
    known = [way for _, way, *_ in events]
    assume("lost" not in (*known[:1], *known[-1:]) and ("lost", "anew") not in pairwise(known))
    stamped = [json.dumps({"timestamp": "2026-05-01T10:00:00Z", **line}) + "\n" for line in lines]
    with TemporaryDirectory() as folder:
        path = Path(folder, "rollout-a.jsonl")
        path.write_text("".join(stamped))
        read = LOG.read(str(path), None)
    assert sum(call.usage.tokens.total for call in read.calls) == truth
    assert read.unreadable == 0


@pytest.mark.parametrize("trap", ["repeated", "last_missing", "compacted", "fork"])
def test_history_that_is_written_again_into_its_own_file_counts_once(trap: str, tmp_path: Path) -> None:
    """A resume may repeat what a rollout already holds, as it was."""
    rollout = max((HERE / trap).glob("rollout-*.jsonl"))
    first = {call.id for call in LOG.read(str(rollout), None).calls}
    path = tmp_path / "rollout-a.jsonl"
    path.write_bytes(rollout.read_bytes() * 2)
    assert {call.id for call in LOG.read(str(path), None).calls} == first


@pytest.mark.parametrize("trap", ["repeated", "fork", "cliff"])
def test_a_packed_rollout_tells_what_it_told_before(trap: str, tmp_path: Path) -> None:
    """Codex packs what was left alone for a week: the same calls under the same names, once; several frames are one log."""
    for rollout in sorted((HERE / trap).rglob("rollout-*.jsonl")):
        path = tmp_path / f"{rollout.name}.zst"
        lines = rollout.read_bytes().splitlines(keepends=True)
        pack = zstandard.ZstdCompressor().compress
        path.write_bytes(pack(b"".join(lines[:3])) + pack(b"".join(lines[3:])))
        plain, read = LOG.read(str(rollout), None), LOG.read(str(path), None)
        assert (read.calls, read.records, read.unreadable) == (plain.calls, plain.records, 0)
        again = LOG.read(str(path), read.mark)
        assert (again.calls, again.records, again.anew, again.mark) == ((), 0, False, read.mark)
    assert scan(LOG, tmp_path).keys() == scan(LOG, HERE / trap).keys()


@pytest.mark.parametrize("how", ["torn", "no archive", "wide"])
def test_a_packed_rollout_that_is_broken_tells_what_is_before_it(how: str, tmp_path: Path) -> None:
    """The rest is one unreadable record, once."""
    rollout = max((HERE / "repeated").glob("rollout-*.jsonl")).read_bytes()
    path = tmp_path / "rollout-a.jsonl.zst"
    whole = zstandard.ZstdCompressor().compress(rollout)
    wider = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28))
    rest = {
        "torn": whole[:-9],
        "no archive": b"and more",
        "wide": (wide := wider.compressobj()).compress(rollout) + wide.flush(),
    }[how]
    path.write_bytes(whole + rest)
    read = LOG.read(str(path), None)
    assert len(read.calls) == len({call.id for call in read.calls}) > 0
    assert read.unreadable == 1
    assert LOG.read(str(path), read.mark).unreadable == 0


def test_a_packed_rollout_without_end_is_left_at_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may unpack to more than any machine holds: what is read of it is limited, and little of it is held."""
    monkeypatch.setattr("gateway.usage_logs.packed.UNPACKED_MAX", 400_000)
    monkeypatch.setattr("gateway.usage_logs.packed._BITE", 16)
    path = tmp_path / "rollout-a.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b"{}\n" * 1_000_000))
    read = LOG.read(str(path), None)
    assert read.unreadable == 1
    assert read.records < 1_000_000


def test_a_packed_rollout_is_hidden_by_its_plain_one(tmp_path: Path) -> None:
    """While Codex unpacks one to go on in it, both are there: they are one history, and tell each call once."""
    rollout = max((HERE / "repeated").glob("rollout-*.jsonl"))
    (tmp_path / rollout.name).write_bytes(rollout.read_bytes())
    (tmp_path / f"{rollout.name}.zst").write_bytes(zstandard.ZstdCompressor().compress(rollout.read_bytes()))
    assert scan(LOG, tmp_path).keys() == scan(LOG, HERE / "repeated").keys()


def test_totals_that_leap_beyond_any_call_are_unreadable(tmp_path: Path) -> None:
    """They may be of a whole thread and so are large, but what lies between two of them is one call's: no line of a log costs millions."""
    path = tmp_path / f"rollout-2026-05-01T10-00-00-{PARENT}.jsonl"
    lines = [{"timestamp": "2026-05-01T10:00:00Z", "type": "session_meta", "payload": {"id": PARENT, "cwd": "/x"}}]
    for sent in (1_000, 10**12, 10**12 + 2_000):
        info = {"total_token_usage": {"input_tokens": sent, "output_tokens": 0}, "model": "gpt-5"}
        payload = {"type": "token_count", "info": info}
        lines.append({"timestamp": "2026-05-01T10:00:01Z", "type": "event_msg", "payload": payload})  # type: ignore[dict-item]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    read = LOG.read(str(path), None)
    assert ([call.input for call in read.calls], read.unreadable) == ([1_000, 2_000], 1)
