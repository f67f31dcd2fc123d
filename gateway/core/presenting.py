"""How an agent's answer is shown on a phone: what is said, what is drawn, what goes as a file; pure.

A diff of at most 40 lines and 60 columns is said, as code; a larger one is drawn, and goes as a file. Of an answer of more than
12,000 characters (about three messages, its large diffs aside) the beginning is said, and the whole goes as a file. These are the
only thresholds.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

SAID_LINES_MAX: Final = 40
SAID_COLUMNS_MAX: Final = 60
SAID_CHARACTERS_MAX: Final = 12_000
READ_CHARACTERS_MAX: Final = 500_000
"""Of an answer that is longer still only so much is looked at; it is cut then, and its whole goes as a file."""
PICTURE_COLUMNS: Final = 64
PICTURE_ROWS: Final = 56
SPARE_ROWS: Final = 8
"""If no more rows than these are left they go with the last picture."""
PICTURES_MAX: Final = 6
"""Of one answer; what is not drawn is in the file. With the two files that is below the limit of one message's files."""
TAB: Final = 4

_DIFFS: Final = frozenset({"diff", "patch", "udiff"})
_FENCE: Final = re.compile(r"([ \t]*+)(`{3,}+|~{3,}+)[ \t]*+([^\s`]*+)[^`]*+")
"""Possessive: a line of any length is looked at once."""
_HUNK: Final = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@.*")
_HEADS: Final = (
    *("diff --git ", "new file ", "deleted file ", "old mode ", "new mode ", "similarity ", "dissimilarity "),
    *("rename from ", "rename to ", "copy from ", "copy to ", "Binary files ", "--- ", "+++ "),
)
"""How the lines begin that say which file a diff is about."""
_BLOBS: Final = re.compile(r"index [0-9a-f]+\.\.")
_NO_FILE: Final = "/dev/null"


# --------------------------------------------------------------------------------------------------- what becomes of it
@dataclass(frozen=True, slots=True)
class Diff:
    """A diff that is too large to be said; `files`, `added` and `removed` count what it changes."""

    text: str
    files: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as it is shown: Markdown to say, with the large diffs in their places. `cut`: there is more of it than is said."""

    pieces: tuple[str | Diff, ...]
    cut: bool = False

    @property
    def diffs(self) -> tuple[Diff, ...]:
        """What is drawn, and goes as a file."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Diff))

    @property
    def plain(self) -> bool:
        """Whether all of it is said and nothing else is needed."""
        return not self.cut and not self.diffs


def present(answer: str) -> Shown:
    """How this answer (Markdown) is shown."""
    pieces: list[str | Diff] = []
    left, cut = SAID_CHARACTERS_MAX, False
    for piece in _merged(_pieces(answer[:READ_CHARACTERS_MAX])):
        if isinstance(piece, Diff):
            pieces.append(piece)
        elif cut:
            continue
        elif len(piece) <= left:
            pieces.append(piece)
            left -= len(piece)
        else:
            pieces.append(_beginning(piece, left))
            cut = True
    return Shown(tuple(pieces), cut or len(answer) > READ_CHARACTERS_MAX)


def _merged(pieces: Iterator[str | Diff]) -> Iterator[str | Diff]:
    """What is said in one go as one piece."""
    said: list[str] = []
    for piece in pieces:
        if isinstance(piece, Diff):
            yield from ["\n".join(said)] if said else []
            yield piece
            said = []
        else:
            said.append(piece)
    yield from ["\n".join(said)] if said else []


def _pieces(answer: str) -> Iterator[str | Diff]:
    """Lines, fences and diffs, one after another."""
    lines = answer.split("\n")
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        if fence is not None:
            end = _closing(lines, at, fence[2])
            written = "\n".join(lines[at : end + 1])
            body = [line.removeprefix(fence[1]) for line in lines[at + 1 : end]]
            large = fence[3].lower() in _DIFFS and end < len(lines) and _is_large(body)
            yield _counted(body) if large else written
            at = end + 1
        elif (found := _diff_end(lines, at))[0] > at:
            end, hunks = found
            body = lines[at:end]
            if hunks:
                yield _counted(body) if _is_large(body) else "\n".join(_fenced(body))
            else:  # nothing but names: none of these lines begins a diff either
                yield "\n".join(body)
            at = end
        else:
            yield lines[at]
            at += 1


def _closing(lines: Sequence[str], at: int, mark: str) -> int:
    """The line that closes the fence of line `at`; the number of lines where none does."""
    closes = (
        n
        for n in range(at + 1, len(lines))
        if set(lines[n].strip()) == {mark[0]} and len(lines[n].strip()) >= len(mark)
    )
    return next(closes, len(lines))


def _diff_end(lines: Sequence[str], at: int) -> tuple[int, int]:
    """Where the diff ends that begins with line `at`, outside of fences (`at` itself where none does), and how many hunks it has."""
    begins = lines[at].startswith("diff --git ") or (
        lines[at].startswith("--- ") and at + 2 < len(lines) and lines[at + 1].startswith("+++ ")
    )
    end, hunks = at, 0
    while begins and end < len(lines):
        hunk = _HUNK.fullmatch(lines[end])
        if hunk is not None:
            hunks, end = hunks + 1, _hunk_end(lines, end + 1, int(hunk[2] or 1), int(hunk[4] or 1))
            while end < len(lines) and lines[end][:1] in ("+", "-", " "):  # who counted the hunk's lines was wrong
                end += 1
        elif _is_head(lines[end]):
            end += 1
        else:
            break
    return end, hunks


def _hunk_end(lines: Sequence[str], at: int, old: int, new: int) -> int:
    """Where the hunk ends whose first line is `at`, with so many lines of the old and of the new file."""
    while at < len(lines) and (old > 0 or new > 0 or lines[at].startswith("\\ ")):
        sign = lines[at][:1]
        if sign not in ("", " ", "-", "+", "\\"):
            break
        old -= sign in ("", " ", "-")
        new -= sign in ("", " ", "+")
        at += 1
    return at


def _fenced(body: Sequence[str]) -> list[str]:
    longest = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    mark = "`" * max(3, longest + 1)
    return [f"{mark}diff", *body, mark]


def _is_large(body: Sequence[str]) -> bool:
    return len(body) > SAID_LINES_MAX or any(_width(line.expandtabs(TAB)) > SAID_COLUMNS_MAX for line in body)


def _counted(body: Sequence[str]) -> Diff:
    rows = _rows("\n".join(body))
    kinds = [row.kind for row in rows]
    files = max(kinds.count(RowKind.FILE), 1)
    return Diff("\n".join(body) + "\n", files, kinds.count(RowKind.ADDED), kinds.count(RowKind.REMOVED))


def _beginning(text: str, left: int) -> str:
    """The text's beginning: to the end of a paragraph if that is not too early, else of a line; an open fence is closed."""
    paragraph = line_end = at = 0
    fence = fence_at_end = ""
    for line in text[: left + 1].split("\n")[:-1]:
        found = _FENCE.fullmatch(line)
        if found is not None and not fence:
            fence = found[2]
        elif found is not None and found[2].startswith(fence):
            fence = ""
        at += len(line) + 1
        line_end, fence_at_end = at, fence
        if not line.strip() and not fence:
            paragraph = at
    if paragraph > left // 2:
        return text[:paragraph].rstrip()
    beginning = text[: line_end or left].rstrip()
    return f"{beginning}\n{fence_at_end}" if fence_at_end else beginning


# ----------------------------------------------------------------------------------------------------- what is drawn
class RowKind(StrEnum):
    """What a line of a diff is."""

    FILE = "file"
    HUNK = "hunk"
    ADDED = "added"
    REMOVED = "removed"
    CONTEXT = "context"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a picture: what it says, and the numbers of its line in the old and in the new file, where they are known.

    `goes_on`: it is the rest of the line above it.
    """

    kind: RowKind
    text: str
    old: int | None = None
    new: int | None = None
    goes_on: bool = False


def pages(diffs: Sequence[Diff]) -> tuple[tuple[tuple[Row, ...], ...], int]:
    """The pictures of these diffs, each at most 64 rows of at most 64 columns, and how many more there would be."""
    found = [page for diff in diffs for page in _paged(_rows(diff.text))]
    return tuple(found[:PICTURES_MAX]), max(0, len(found) - PICTURES_MAX)


def _paged(rows: Sequence[Row]) -> Iterator[tuple[Row, ...]]:
    """Pages of rows that are not too long; a file that goes on is named again."""
    page: list[Row] = []
    file: Row | None = None
    wrapped = [piece for row in rows for piece in _wrapped(row)]
    for number, row in enumerate(wrapped):
        full = len(page) >= PICTURE_ROWS and len(wrapped) - number > SPARE_ROWS
        if full or (row.kind is RowKind.FILE and len(page) > PICTURE_ROWS * 3 // 4):
            yield tuple(page)
            page = [file] if file is not None and row.kind is not RowKind.FILE else []
        file = row if row.kind is RowKind.FILE else file
        page.append(row)
    yield tuple(page)


def _wrapped(row: Row) -> Iterator[Row]:
    """The row in rows of at most 64 columns, between words where that can be. Where a hunk is takes one: its end may be missing."""
    rest, now = row.text, row
    while (fits := _fitting(rest)) < len(rest):
        if row.kind is RowKind.HUNK:
            rest = rest[: fits - 1] + "…"
            break
        gap = rest.rfind(" ", fits * 2 // 3, fits) + 1
        yield replace(now, text=rest[: gap or fits])
        rest, now = rest[gap or fits :], Row(row.kind, "", goes_on=True)
    yield replace(now, text=rest)


def _fitting(text: str) -> int:
    """How many of its characters fit in a row."""
    columns = 0
    for number, char in enumerate(text):
        columns += _width(char)
        if columns > PICTURE_COLUMNS:
            return number
    return len(text)


def _width(text: str) -> int:
    """Columns of fixed width: two for a wide character, none for a mark on the one before."""
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _rows(diff: str) -> tuple[Row, ...]:
    """The rows of a diff. The lines that say which file it is about are one row."""
    lines = [_clean(line) for line in diff.rstrip("\n").split("\n")]
    rows: list[Row] = []
    at = 0
    while at < len(lines):
        hunk = _HUNK.fullmatch(lines[at])
        if hunk is not None:
            end = _hunk_end(lines, at + 1, int(hunk[2] or 1), int(hunk[4] or 1))
            rows += [Row(RowKind.HUNK, lines[at]), *_numbered(lines[at + 1 : end], int(hunk[1]), int(hunk[3]))]
        elif _is_head(lines[at]):
            end = _head_end(lines, at)
            rows.append(_file(lines[at:end]))
        else:
            end = at + 1
            rows.append(_row(lines[at]))
        at = end
    return tuple(rows)


def _clean(line: str) -> str:
    return "".join(char for char in line if char == "\t" or unicodedata.category(char) != "Cc")


def _is_head(line: str) -> bool:
    return line.startswith(_HEADS) or _BLOBS.match(line) is not None


def _head_end(lines: Sequence[str], at: int) -> int:
    """Where the lines end that name the same file as line `at`."""
    end = at + 1
    while end < len(lines) and _is_head(lines[end]):
        named = lines[end - 1].startswith("+++ ") or lines[end].startswith("diff --git ")
        if named:
            break
        end += 1
    return end


def _file(head: Sequence[str]) -> Row:
    """Which file: `a/x.py`, `old.py → new.py`, and that it is new or gone."""
    said = {
        word: line.removeprefix(word)
        for line in head
        for word in ("--- ", "+++ ", "rename from ", "rename to ")
        if line.startswith(word)
    }
    old = _path(said.get("rename from ") or said.get("--- ", ""), "a/")
    new = _path(said.get("rename to ") or said.get("+++ ", ""), "b/")
    match old, new:
        case "", "":
            return Row(RowKind.FILE, head[0].removeprefix("diff --git "))
        case ("", path) | (path, "") if _NO_FILE not in said.values():
            return Row(RowKind.FILE, path)
        case "", path:
            return Row(RowKind.FILE, f"{path} (new)")
        case path, "":
            return Row(RowKind.FILE, f"{path} (deleted)")
        case _:
            return Row(RowKind.FILE, new if old == new else f"{old} → {new}")


def _path(written: str, prefix: str) -> str:
    """The path of a `---` or `+++` line, without the date that some write behind it; empty for no file."""
    path = written.split("\t", maxsplit=1)[0].strip()
    return "" if path == _NO_FILE else path.removeprefix(prefix)


def _numbered(lines: Sequence[str], old: int, new: int) -> Iterator[Row]:
    for line in lines:
        row = _row(line)
        removed, added = row.kind is RowKind.REMOVED, row.kind is RowKind.ADDED
        note = row.kind is RowKind.NOTE
        yield row if note else replace(row, old=None if added else old, new=None if removed else new)
        old += not (note or added)
        new += not (note or removed)


_KINDS: Final = {"+": RowKind.ADDED, "-": RowKind.REMOVED, "\\": RowKind.NOTE}


def _row(line: str) -> Row:
    kind = _KINDS.get(line[:1], RowKind.CONTEXT)
    text = line if kind is RowKind.NOTE else line[1:] if line[:1] in "+- " else line
    return Row(kind, text.expandtabs(TAB))
