"""Markdown tables for the screen of a phone: columns where they fit, else one record a row; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyromark
from rich.cells import cell_len
from telegramify_markdown import MessageEntity, utf16_len
from telegramify_markdown.converter import STANDARD_OPTIONS

from gateway.chats.telegram.parts import Part, joined

COLUMNS = 36
"""What a phone shows of fixed width without breaking a line."""
GAP = "  "
_OPEN_MARKS = range(0xE000, 0xF8FF)
"""Private use: characters that mean nothing, of which one stands for a table while the rest is read."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was written: the Markdown of its cells, the header first. `alignments`: "None", "Left", "Center", "Right"."""

    alignments: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def taken_out(markdown: str) -> tuple[str, str, tuple[Table, ...]]:
    """The Markdown with one character for each table, that character, and the tables; ("", ()) where there is none."""
    mark = next((chr(code) for code in _OPEN_MARKS if chr(code) not in markdown), "")
    if "|" not in markdown or not mark:
        return markdown, "", ()
    source = markdown.encode()
    left: list[bytes] = []
    tables: list[Table] = []
    at = 0
    for start, end, table in _found(source):
        after = source[end:].split(b"\n", 1)[0].strip(b" \t>")
        left += [source[at:start], mark.encode(), b"\n\n" if after else b"\n"]
        tables.append(table)
        at = end
    return b"".join([*left, source[at:]]).decode(), mark, tuple(tables)


def _found(source: bytes) -> Iterator[tuple[int, int, Table]]:
    """Where each table begins and ends, in bytes, and the table."""
    alignments: tuple[str, ...] = ()
    rows: list[list[str]] = []
    code: list[tuple[int, int]] = []
    starts: list[int] = []
    for event, where in pyromark.events_with_range(source.decode(), options=STANDARD_OPTIONS):
        start, end = where["start"], where["end"]
        match event:
            case {"Start": {"Table": wanted}}:
                alignments, rows, starts = tuple(map(str, wanted)), [], []
            case {"Start": "TableHead" | "TableRow"}:
                rows.append([])
                starts.append(start)
            case {"Start": "TableCell"}:
                code = []
            case {"Code": str()}:
                code.append((start, end))
            case {"End": "TableCell"}:
                rows[-1].append(_cell(source, start, end, code))
            case {"End": "Table"}:
                while len(rows) > 1 and b"|" not in source[starts[-1] : end]:  # words that follow without an empty line
                    end = starts.pop()
                    rows.pop()
                yield start, end, Table(alignments, tuple(map(tuple, rows)))
            case _:
                pass


def _cell(source: bytes, start: int, end: int, code: Sequence[tuple[int, int]]) -> str:
    """The Markdown of a cell as it would stand outside: there, a backslash before a pipe in code would be seen."""
    pieces: list[bytes] = []
    for first, last in code:
        pieces += [source[start:first], source[first:last].replace(b"\\|", b"|")]
        start = last
    return b"".join([*pieces, source[start:end]]).decode().strip()


def laid_out(rows: Sequence[Sequence[Part]], alignments: Sequence[str]) -> Part:
    """The table as it is read on a phone: its cells (the first row is the header) in columns, or as a list of records.

    Records keep the formatting of their cells; columns are code, so a table with links is never shown in columns.
    """
    links = any(entity.type == "text_link" for row in rows for cell in row for entity in cell.entities)
    columns = _columns([[cell.text for cell in row] for row in rows], alignments)
    if not links and max((cell_len(line) for line in columns.split("\n")), default=0) <= COLUMNS:
        return Part(columns, (MessageEntity("pre", 0, utf16_len(columns)),) if columns.strip() else ())
    return _records(rows)


def _columns(rows: Sequence[Sequence[str]], alignments: Sequence[str]) -> str:
    """Lines of aligned cells, and one of dashes under the header."""
    widths = [max(cell_len(row[n]) if n < len(row) else 0 for row in rows) for n in range(len(alignments))]
    lines = [
        GAP.join(_aligned(cell, width, how) for cell, width, how in zip(row, widths, alignments, strict=False)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], GAP.join("-" * max(width, 1) for width in widths), *lines[1:]])


def _aligned(cell: str, width: int, how: str) -> str:
    free = max(width - cell_len(cell), 0)
    before = {"Right": free, "Center": free // 2}.get(how, 0)
    return " " * before + cell + " " * (free - before)


def _records(rows: Sequence[Sequence[Part]]) -> Part:
    """Each row a paragraph: its first cell as a heading, then a line for each cell that says something."""
    header, *body = rows
    if not body:
        return joined([cell for cell in header if cell.text], "\n")
    records = [joined(list(_lines(header, row)), "\n") for row in body]
    return joined([record for record in records if record.text] or list(header), "\n\n")


def _lines(header: Sequence[Part], row: Sequence[Part]) -> Iterator[Part]:
    for number, (name, cell) in enumerate(zip(header, row, strict=False)):
        if not cell.text:
            continue
        line = joined([name, cell], ": ") if name.text else cell
        yield _bold(line) if number == 0 else line


def _bold(line: Part) -> Part:
    return Part(line.text, (MessageEntity("bold", 0, utf16_len(line.text)), *line.entities))
