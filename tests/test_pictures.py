"""A diff as a picture: a PNG that a chat takes and a phone shows."""

from io import BytesIO

import pytest
from PIL import Image

from gateway import pictures
from gateway.core.files import PHOTO_BYTES_MAX, FileKind, kind_of
from gateway.core.presenting import PICTURE_COLUMNS, PICTURE_ROWS, SPARE_ROWS, Row, RowKind

PAGE = (
    Row(RowKind.FILE, "gateway/x.py"),
    Row(RowKind.HUNK, "@@ -1,2 +1,2 @@"),
    Row(RowKind.REMOVED, "old", 1, None),
    Row(RowKind.ADDED, "new", None, 1),
    Row(RowKind.CONTEXT, "same 日本 e\u0301 😀", 2, 2),
    Row(RowKind.NOTE, "\\ No newline"),
)


def opened(page: tuple[Row, ...]) -> Image.Image:
    """The picture of it."""
    return Image.open(BytesIO(pictures.draw(page))).convert("RGB")


def strip(picture: Image.Image, row: int) -> set[object]:
    """The colours of a row."""
    top = pictures.EDGE + row * pictures.LINE
    found = picture.crop((0, top, picture.width, top + pictures.LINE)).getcolors(10_000) or []
    return {colour for _, colour in found}


def test_added_lines_are_green_and_removed_ones_red() -> None:
    """Seen at a glance; what stays is on the ground of the paper."""
    picture = opened(PAGE)
    (red, green, _), (r, g, _) = (picture.getpixel((2, pictures.EDGE + n * pictures.LINE + 2)) for n in (2, 3))  # type: ignore[misc]
    assert red > 2 * green
    assert g > 2 * r
    assert all(len(strip(picture, row)) > 3 for row in range(len(PAGE)))  # letters, with soft edges


def test_the_largest_page_is_a_photo_that_telegram_takes() -> None:
    """Less than 10 MB, width and height together at most 10,000, and about twice as high as wide, as phones are."""
    page = tuple(Row(RowKind.ADDED, "W" * PICTURE_COLUMNS, None, 99_999) for _ in range(PICTURE_ROWS + SPARE_ROWS))
    content = pictures.draw(page)
    picture = opened(page)
    assert kind_of(content[:16], len(content)) is FileKind.PHOTO
    assert len(content) < PHOTO_BYTES_MAX / 10
    assert picture.width + picture.height <= 10_000
    assert picture.height <= 2.1 * picture.width


def test_without_any_font_of_fixed_width_columns_are_columns_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own letters stand on the grid, each in its cell."""
    for cached in (pictures._font, pictures._wide, pictures._cell_width, pictures._glyph):
        cached.cache_clear()
    monkeypatch.setattr(pictures, "FONTS", ())
    monkeypatch.setattr(pictures, "WIDE_FONTS", ())
    narrow, wide = opened((Row(RowKind.CONTEXT, "i" * 20 + "|"),)), opened((Row(RowKind.CONTEXT, "W" * 20 + "|"),))
    for cached in (pictures._font, pictures._wide, pictures._cell_width, pictures._glyph):
        cached.cache_clear()
    left = pictures.EDGE + 28 * (narrow.width - 2 * pictures.EDGE) // (
        pictures.GUTTER_COLUMNS + pictures.SIGN_COLUMNS + 64
    )
    box = (left + 6, 0, narrow.width, narrow.height)
    assert narrow.crop(box).tobytes() == wide.crop(box).tobytes()
    assert len(narrow.crop(box).getcolors() or ()) > 1
