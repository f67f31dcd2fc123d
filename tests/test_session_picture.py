"""The README's picture of a session in the chat: played over real HTTP, and drawn from the stand-in's record."""

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.phone_screen import HEIGHT, Bubble, Screen, draw
from tools.session_pictures import PICTURE, picture

ROOT = Path(__file__).resolve().parent.parent


def words(svg: str) -> str:
    """All that can be read in a picture."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", svg)).split())


def test_the_picture_in_the_readme_is_what_the_gateway_says_now() -> None:
    """Played again it is the same, letter by letter; if not: `python -m tools.session_pictures`."""
    made = picture()
    assert PICTURE.read_text(encoding="utf-8") == made
    for said in ("(9 in 10 of 12", "Go on, up to $1.00 more", "queries 5,214 3", "session $0.97 of $5.00"):
        assert said in words(made)
    assert "](docs/session.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_marks_count_utf16_units_and_letters_that_mean_something_to_xml_stay_letters() -> None:
    """Behind a letter of two units what is bold begins where Telegram says, and the picture stays XML."""
    bubble = Bubble("\N{GRINNING FACE} a<b & c", (("bold", 3, 3),), (("No & <go>",),), "14:02", own=False)
    svg = draw((Screen("one", (bubble,)),))
    ET.fromstring(svg)  # noqa: S314 - made here
    assert '<tspan class="bold">a&lt;b</tspan>' in svg
    assert "No &amp; &lt;go&gt;" in svg


def test_lines_end_before_the_bubble_does_and_the_newest_message_is_the_one_that_is_seen() -> None:
    """A word longer than a line is broken within; what is older than the screen is high is not drawn, and nothing stands above it."""
    bubbles = tuple(Bubble(f"m{number} " + "x" * 400, (), (), "14:02", own=True) for number in range(9))
    svg = draw((Screen("one", bubbles),))
    assert "m8" in svg
    assert "m0" not in svg
    assert all(0 < float(y) < HEIGHT for y in re.findall(r' y="([0-9.-]+)"', svg))
    assert max(len(line) for line in re.findall(r">([^<]*x+)<", svg)) < 60
