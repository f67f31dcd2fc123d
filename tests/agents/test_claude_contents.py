"""What is known of files, from what tools returned: recorded lines of the real client (2.1.328), shortened."""

import json

import pytest

from gateway.agents.claude import contents, reading, wire
from gateway.agents.claude.contents import Contents


def returned(**result: object) -> wire.Line:
    """The line in which the client passes on what a tool returned."""
    line = {"type": "user", "message": {"role": "user", "content": []}, "tool_use_result": result}
    return reading.parse(json.dumps(line, separators=(",", ":")).encode())


def read(path: str, content: str, lines: int, total: int, start: int = 1) -> wire.Line:
    """A Read."""
    file = {"filePath": path, "content": content, "numLines": lines, "startLine": start, "totalLines": total}
    return returned(type="text", file=file)


PATCH: dict[str, object] = {"structuredPatch": [], "originalFile": "a\nb\na\n", "userModified": False}
EDITED = {**PATCH, "filePath": "/w/a.txt", "oldString": "a", "newString": "c"}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (returned(type="create", filePath="/w/a.txt", content="one\n", **PATCH | {"originalFile": None}), "one\n"),
        (returned(type="update", filePath="/w/a.txt", content="two\n", **PATCH), "two\n"),
        (read("/w/a.txt", "one\ntwo\n", 3, 3), "one\ntwo\n"),
        (returned(**EDITED, replaceAll=False), "c\nb\na\n"),
        (returned(**EDITED, replaceAll=True), "c\nb\nc\n"),
        (returned(**EDITED | {"originalFile": None}), None),
        (returned(**EDITED | {"userModified": True}), None),
    ],
    ids=["created", "updated", "read", "edited", "edited everywhere", "edited blindly", "changed by a person"],
)
def test_a_file_that_was_read_or_written_is_known(line: wire.Line, text: str | None) -> None:
    """With what it holds now; None: with something else than before."""
    assert line == wire.FileTold(path="/w/a.txt", text=text)


@pytest.mark.parametrize(
    "line",
    [
        read("/w/a.txt", "two\n", 2, 3, start=2),
        read("/w/a.txt", "one\n", 1, 3),
        returned(stdout="filePath"),
        returned(type="create", filePath="/w/a.txt", content="x" * reading.RESULT_MAX),
        reading.parse(b'{"type":"user","tool_use_result":{"filePath":'),
    ],
    ids=["its end", "its beginning", "no file", "long", "cut"],
)
def test_what_tells_no_whole_file_is_passed_over(line: wire.Line) -> None:
    """It counts nothing, so it is no loss."""
    assert line == wire.Unknown()


def test_so_much_is_remembered_and_the_oldest_is_forgotten() -> None:
    """Fifty files, none of them long; a file that is told anew is the newest."""
    known = Contents("/w")
    known.heard(wire.FileTold(path="/w/a.txt", text="old"))
    assert (known.of("a.txt"), known.of("/w/a.txt"), known.of("b.txt"), known.of(None)) == ("old", "old", "", "")
    known.heard(wire.FileTold(path="/w/a.txt", text="x" * (contents.CHARACTERS_MAX + 1)))
    assert known.of("a.txt") == ""
    for number in range(contents.FILES_MAX + 1):
        known.heard(wire.FileTold(path=f"/w/{number}", text=str(number)))
    assert (known.of("0"), known.of("1"), known.of("50")) == ("", "1", "50")
    known.heard(wire.FileTold(path="/w/1"))
    assert known.of("1") == ""
