"""Gemini CLI's chats: what each known trap costs, by hand. Rates of gemini-2.5-pro per token: input 1250, cached 125, output 10000 nano-dollars."""

import shutil
from itertools import permutations
from pathlib import Path

import pytest

from gateway.domain.usage import MAIN_LOOP, Tokens, Unpriced
from gateway.ports import UsageLog
from gateway.usage_logs.gemini import GEMINI
from tests.usage_logs.reading import FIXTURES, costs, once, scan

HERE = FIXTURES / "gemini"
SESSION = "0a1b2c3d-0000-4000-8000-00000000000a"
LOG: UsageLog = GEMINI


def test_what_was_rewound_was_billed_and_what_was_written_again_was_not() -> None:
    """A message counts once however often it is written, also when the person took it back; thoughts are output, tools' prompts input."""
    (path,) = LOG.files(str(HERE / "rewound"))
    read = LOG.read(path, None)
    assert [call.usage.tokens for call in read.calls] == [
        Tokens(input=600, cache_read=400, output=150, reasoning=50),
        Tokens(input=2030, output=200),
    ]
    # 600 x 1250 + 400 x 125 + 150 x 10000; flash: 2030 x 300 + 200 x 2500
    assert costs(read.calls) == [2_300_000, 1_109_000]
    assert (read.records, read.unreadable, read.copies) == (10, 0, 2)
    assert {(call.session, call.directory, call.loop) for call in read.calls} == {(SESSION, "/home/me/api", MAIN_LOOP)}


def test_a_chat_that_is_rewritten_keeps_its_messages_names(tmp_path: Path) -> None:
    """What a later look at a rewritten file gives adds to what was seen before; a look at the same file gives nothing."""
    path = tmp_path / "session-a.json"
    shutil.copyfile(HERE / "rewritten" / "chats" / "session-2026-05-01T10-00-0a1b2c3d.json", path)
    first = LOG.read(str(path), None)
    again = LOG.read(str(path), first.mark)
    assert (again.calls, again.records, again.unreadable) == ((), 0, 0)
    path.write_bytes((HERE / "rewritten" / "later" / "session-2026-05-01T10-00-0a1b2c3d.json").read_bytes())
    later = LOG.read(str(path), first.mark)
    # above 200000: 150000 x 2500 + 100000 x 250 + 500 x 15000
    assert costs(once((*first.calls, *later.calls)).values()) == [2_300_000, 407_500_000]


@pytest.mark.parametrize("order", list(permutations([".json", ".jsonl"])))
def test_an_old_chat_and_what_became_of_it_count_once(order: tuple[str, ...]) -> None:
    """Resuming an older chat copies it to a file of the newer form."""
    files = [next((HERE / "rewritten" / "chats").glob(f"*{end}")) for end in order]
    assert costs(scan(LOG, *files).values()) == [2_300_000]


def test_a_sub_agents_chat_belongs_to_its_parent() -> None:
    """It lies in a folder with the parent's name."""
    (call,) = scan(LOG, HERE / "subagent").values()
    assert (call.session, call.loop, call.directory) == (SESSION, "reviewer-1", "/home/me/api")
    assert costs([call]) == [500 * 1250 + 50 * 10_000]


def test_the_total_tells_what_stands_beside_what() -> None:
    """Cached input beside the input, and thoughts within the output, where the total says so; without a model there is no price."""
    apart, within, nameless = scan(LOG, HERE / "totals").values()
    assert apart.usage.tokens == Tokens(input=1000, cache_read=400, output=150, reasoning=50)
    assert within.usage.tokens == Tokens(input=600, cache_read=400, output=100, reasoning=50)
    # 1000 x 1250 + 400 x 125 + 150 x 10000; 600 x 1250 + 400 x 125 + 100 x 10000
    assert costs([apart, within]) == [2_800_000, 1_800_000]
    assert isinstance(costs([nameless])[0], Unpriced)


def test_chats_are_found_where_gemini_puts_them() -> None:
    """A home is asked for its projects' chats only."""
    assert [Path(path).name for path in LOG.files(str(HERE / "rewound"))] == ["session-2026-05-01T10-00-0a1b2c3d.jsonl"]
    assert LOG.owns(str(HERE / "rewound"))
    assert not LOG.owns(str(FIXTURES / "codex"))
    assert LOG.homes({"GEMINI_CLI_HOME": "/g"}, "/home/me") == ("/g/.gemini",)
    assert LOG.homes({}, "/home/me") == ("/home/me/.gemini",)


def test_a_chat_caught_in_the_middle_of_being_written_is_read_later(tmp_path: Path) -> None:
    """Half a file is unreadable and no more; the whole one gives its calls."""
    data = (HERE / "rewritten" / "chats" / "session-2026-05-01T10-00-0a1b2c3d.json").read_bytes()
    path = tmp_path / "session-a.json"
    path.write_bytes(data[:300])
    half = LOG.read(str(path), None)
    assert (half.calls, half.unreadable) == ((), 1)
    path.write_bytes(data)
    assert costs(LOG.read(str(path), half.mark).calls) == [2_300_000]
