"""Diffs as pictures that are read on a phone. Everything here takes processor time: callers use a thread."""

from collections.abc import Sequence
from functools import cache, lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len

from gateway.core.presenting import PICTURE_COLUMNS, Row, RowKind

SIZE: Final = 24
"""Of a letter, in pixels: 64 columns of it fill a phone that is held upright, and pictures are sent with more pixels than it has."""
LINE: Final = 32
BASE: Final = 24
"""Where letters stand in a line."""
OVERHANG: Final = 4
EDGE: Final = 14
GUTTER_COLUMNS: Final = 6
"""Line numbers of up to five digits."""
SIGN_COLUMNS: Final = 2
COLOURS: Final = 64
FONTS: Final = (
    "DejaVuSansMono.ttf",
    "LiberationMono-Regular.ttf",
    "NotoSansMono-Regular.ttf",
    "UbuntuMono-R.ttf",
    "Menlo.ttc",
    "SFNSMono.ttf",
    "consola.ttf",
)
"""Of fixed width, as systems have them. Where there is none, Pillow's own letters stand on the same grid."""
WIDE_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansMonoCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
)

_Colour = tuple[int, int, int]
_PAPER: Final = (13, 17, 23)
_NUMBERS: Final = (110, 118, 129)
_INK: Final[dict[RowKind, _Colour]] = {
    RowKind.FILE: (240, 246, 252),
    RowKind.HUNK: (121, 192, 255),
    RowKind.ADDED: (175, 245, 180),
    RowKind.REMOVED: (255, 205, 200),
    RowKind.CONTEXT: (201, 209, 217),
    RowKind.NOTE: (139, 148, 158),
}
_GROUND: Final[dict[RowKind, _Colour]] = {
    RowKind.FILE: (48, 54, 61),
    RowKind.HUNK: (18, 38, 63),
    RowKind.ADDED: (15, 65, 33),
    RowKind.REMOVED: (92, 24, 28),
}
_SIGNS: Final = {RowKind.ADDED: "+", RowKind.REMOVED: "-"}


def draw(page: Sequence[Row]) -> bytes:
    """One page of a diff as a PNG: line numbers, the sign, the line; added lines are green, removed ones red."""
    cell = _cell_width()
    width = 2 * EDGE + (GUTTER_COLUMNS + SIGN_COLUMNS + PICTURE_COLUMNS) * cell
    picture = Image.new("RGB", (width, 2 * EDGE + len(page) * LINE), _PAPER)
    pen = ImageDraw.Draw(picture)
    for number, row in enumerate(page):
        top = EDGE + number * LINE
        if row.kind in _GROUND:
            pen.rectangle((0, top, width, top + LINE - 1), fill=_GROUND[row.kind])
        if row.kind is RowKind.FILE:
            _write(picture, (EDGE, top), row.text, _INK[row.kind])
            continue
        shown = row.new if row.new is not None else row.old
        sign = "" if row.goes_on else _SIGNS.get(row.kind, "")
        _write(picture, (EDGE, top), f"{'' if shown is None else shown:>{GUTTER_COLUMNS - 1}}", _NUMBERS)
        _write(picture, (EDGE + GUTTER_COLUMNS * cell, top), sign, _INK[row.kind])
        _write(picture, (EDGE + (GUTTER_COLUMNS + SIGN_COLUMNS) * cell, top), row.text, _INK[row.kind])
    out = BytesIO()
    picture.quantize(COLOURS).save(out, "PNG")
    return out.getvalue()


def _write(picture: Image.Image, at: tuple[int, int], text: str, ink: _Colour) -> None:
    """The text on the grid, a character in each cell, so that columns are columns in any font."""
    left, top = at
    for char in text:
        width = cell_len(char)
        if not char.isspace():
            glyph = _glyph(char, max(width, 1))
            picture.paste(ink, (left - OVERHANG, top), glyph)
        left += width * _cell_width()


@lru_cache(maxsize=2_000)
def _glyph(char: str, columns: int) -> Image.Image:
    """A character in the middle of its cells, as a mask that is a little wider than they are."""
    width = columns * _cell_width() + 2 * OVERHANG
    mask = Image.new("L", (width, LINE), 0)
    font = _wide() if columns > 1 else _font()
    ImageDraw.Draw(mask).text(
        (width / 2, BASE), char, 255, font, anchor="ms" if isinstance(font, ImageFont.FreeTypeFont) else None
    )
    return mask


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _first(FONTS) or ImageFont.load_default(SIZE)


@cache
def _wide() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _first(WIDE_FONTS) or _font()


def _first(names: Sequence[str]) -> ImageFont.FreeTypeFont | None:
    for name in names:
        try:
            return ImageFont.truetype(name, SIZE)
        except OSError:
            continue
    return None


@cache
def _cell_width() -> int:
    return round(_font().getlength("0"))
