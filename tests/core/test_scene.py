"""Colours that can be told apart, text that fits."""

from itertools import combinations

import pytest

from gateway.core.scene import COLOURS, SERIES, Anchor, Ink, Words, fitting, legible, width
from gateway.domain.charts import Theme

DECORATION = {Ink.PAPER, Ink.GRID}
WRITTEN = {Ink.TEXT, Ink.MUTED, Ink.LIMIT, Ink.WARN}
OUTCOMES = [Ink(name) for name in ["commits", "changes", "answer", "nothing", "error", "stopped", "paused", "running"]]
BLIND = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
"""Machado, Oliveira and Fernandes 2009, severity 1.0, on linear light."""
Three = tuple[float, ...]


def linear(colour: str) -> Three:
    """Light of the three colours, by WCAG's (sRGB's) curve."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)


def contrast(one: str, other: str) -> float:
    """WCAG's measure, 1 to 21."""
    low, high = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x), strict=True)) for x in (one, other)
    )
    return (high + 0.05) / (low + 0.05)


def oklab(light: Three) -> Three:
    """Ottosson's space, in which distances are as people see them."""
    r, g, b = (min(1.0, max(0.0, one)) for one in light)
    long, mid, short = (
        (x * r + y * g + z * b) ** (1 / 3)
        for x, y, z in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return (
        0.2104542553 * long + 0.7936177850 * mid - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * mid + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * mid - 0.8086757660 * short,
    )


def apart(one: str, other: str, blind: str) -> float:
    """How far two colours are from each other for somebody who sees so."""
    seen = [
        oklab(tuple(sum(w * c for w, c in zip(row, linear(x), strict=True)) for row in BLIND[blind]))
        for x in (one, other)
    ]
    return sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5


@pytest.mark.parametrize("theme", Theme)
def test_what_carries_a_meaning_stands_out_from_the_paper(theme: Theme) -> None:
    """3:1 at least, and 4.5:1 for what is written; each theme has every ink."""
    colours = COLOURS[theme]
    assert set(colours) == set(Ink)
    for ink in set(Ink) - DECORATION:
        assert contrast(colours[ink], colours[Ink.PAPER]) >= (4.5 if ink in WRITTEN else 3.0), ink


@pytest.mark.parametrize("blind", BLIND)
@pytest.mark.parametrize("theme", Theme)
def test_colours_are_told_apart_by_people_who_see_fewer_of_them(theme: Theme, blind: str) -> None:
    """Any two parts of a bar, and any two outcomes, which have shapes as well: a distance of 0.05 in Oklab, where 0.02 is just seen."""
    colours = COLOURS[theme]
    for together in ([*SERIES, Ink.OTHERS], OUTCOMES):
        for one, other in combinations(together, 2):
            assert apart(colours[one], colours[other], blind) >= 0.05, (one, other)


def test_a_text_is_shortened_to_the_room_it_has() -> None:
    """With an ellipsis, and to nothing where there is none; what fits stays."""
    assert fitting("Fix the test", 38, 1000) == "Fix the test"
    short = fitting("Fix the flaky login test of the shop", 38, 300)
    assert short.startswith("Fix the")
    assert short.endswith("…")
    assert width(short, 38) <= 300
    assert fitting("Fix", 38, 5) == ""


def test_wide_letters_and_bold_ones_take_more_room() -> None:
    """An ideograph as much as two letters, nearly."""
    assert width("日本", 10) == pytest.approx(21)
    assert width("ab", 10, bold=True) > width("ab", 10)
    assert width("é", 10) == pytest.approx(8)


def test_a_text_knows_where_it_is_drawn() -> None:
    """By the part of it that stands at its place."""
    lefts = [Words((100, 50), "abc", 10, Ink.TEXT, anchor=anchor).box[0] for anchor in Anchor]
    wide = width("abc", 10)
    assert lefts == [100, 100 - wide / 2, 100 - wide]


def test_somebodys_words_are_one_line_in_which_nothing_is_hidden() -> None:
    """Line ends are blanks, what turns text around is its code, and of very long words only the beginning is looked at."""
    assert legible("Fix\n\n it \u202eevil\x07") == "Fix it \\u{202e}evil\\u{7}"
    assert len(legible("a" * 10_000)) == 400
