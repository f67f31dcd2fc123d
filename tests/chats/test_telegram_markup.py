"""Markdown to Telegram: everything that is said is shown, and Telegram takes every body."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.chats.telegram.markup import MAX_CHARACTERS, NOTHING, compose
from gateway.core.summary import code
from gateway.domain.effects import Button
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_text import Formatted, clean

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def shown(text: str) -> str:
    """The whole text as people see it."""
    return "".join(json.loads(body)["text"] for body in compose(text, ()))


def entities(text: str) -> list[tuple[str, str]]:
    """Kind and covered text of each entity, for texts within the Basic Multilingual Plane."""
    [body] = (json.loads(body) for body in compose(text, ()))
    found = body.get("entities", ())
    return [(e["type"], body["text"][e["offset"] : e["offset"] + e["length"]]) for e in found]


def check(text: str) -> list[dict[str, Any]]:
    """The bodies, after the stand-in's rules for texts and entities were applied to each."""
    bodies = [json.loads(body) for body in compose(text, ())]
    for body in bodies:
        taken = clean(Formatted(body["text"], tuple(body.get("entities", ()))))
        assert taken.text.strip()
        assert utf16(body["text"]) <= 4096
        assert len(body.get("entities", ())) <= 100
        assert all(entity["length"] > 0 for entity in body.get("entities", ()))
    return bodies


@pytest.mark.parametrize(
    "text",
    [
        "Vec<u8> and Map<String, Vec<i32>>",
        "use <std::string> or <T>",
        "<div>\n<p>hello</p>\n</div>",
        "<!-- a note -->",
        "edit pkg/__init__.py and __main__",
        "2*3*4=24",
        "[INFO]: starting up",
        "a || b || c",
        "|| hidden ||",
        "costs $5 or $6, $HOME and $PATH$",
        "$$E = mc^2$$",
        "about ~5 or ~6 minutes",
        "see [the file](src/app.py:12)",
        "![chart](chart.png)",
        "[](https://x.y)",
        "snake_case_name, *args, **kwargs",
        "if a < b && c > d: pass",
        "x -> y => z, 1 != 2, @user #tag",
        "<details><summary>More</summary>\n\ninner\n\n</details>",
        "first\n[later]: not an address\nlast",
    ],
)
def test_what_agents_write_is_not_eaten_as_markup(text: str) -> None:
    """Code-like text outside code is shown letter by letter."""
    assert shown(text) == text


@pytest.mark.parametrize("text", ["`Vec<u8>`", "`a || b`", "`__init__`", "`$HOME $PATH`", "`[x]: y`"])
def test_code_is_shown_as_it_is(text: str) -> None:
    """Nothing is escaped inside code."""
    assert entities(text) == [("code", text.strip("`"))]


@pytest.mark.parametrize(
    "line", ["/srv/*a*_b", "a`b", "`", "``a", "/x ` `` y`", "/a [x](http://e.f) <b>||c||", "\\u{202e}"]
)
def test_somebodys_line_as_code_is_that_line(line: str) -> None:
    """Whatever a directory is called: no markup, no link, no command that a tap would send."""
    assert entities(f"It is in {code(line)}.") == [("code", line)]


def test_a_fence_keeps_its_text_and_language() -> None:
    """A block of code has a language for the client's highlighting, and its text untouched."""
    text = "```python\nif a || b: print('<b>')  # __x__ $1 $2\n```"
    [body] = (json.loads(body) for body in compose(text, ()))
    assert body["text"] == "if a || b: print('<b>')  # __x__ $1 $2"
    assert body["entities"] == [{"type": "pre", "offset": 0, "length": 38, "language": "python"}]


def test_a_fence_inside_html_is_left_alone() -> None:
    """Escapes are put where the parser finds markup, not where it finds code."""
    assert entities("<div>\n```\n<b>x</b>\n```\n</div>") == [("pre", "<b>x</b>")]


def test_common_markdown_becomes_formatting() -> None:
    """Bold, italic, struck, headings, lists, links and quotes are shown as such, without decoration of ours."""
    assert entities("**b** *i* ~~s~~ [l](https://x.y)") == [
        ("bold", "b"),
        ("italic", "i"),
        ("strikethrough", "s"),
        ("text_link", "l"),
    ]
    assert entities("# Title") == [("underline", "Title"), ("bold", "Title")]
    assert entities("> wise") == [("blockquote", "wise")]
    assert shown("- a\n- [x] b\n- [ ] c\n\n1. d\n1. e").split() == [
        "•",
        "a",
        "[x]",
        "b",
        "[",
        "]",
        "c",
        "1.",
        "d",
        "2.",
        "e",
    ]
    assert entities("这是**重点**内容") == [("bold", "重点")]


def test_a_table_is_shown_in_columns_with_its_empty_cells() -> None:
    """Tables are text of fixed width."""
    assert entities("| a | b | c |\n|---|---|---|\n| 1 || 3 |") == [("pre", "a  b  c\n-  -  -\n1     3")]


@pytest.mark.parametrize("text", ["| a | b |\n|---|---|\n| 1 | 2 | 3 |", "```look at this\nhere"])
def test_markdown_that_would_lose_words_is_shown_as_written(text: str) -> None:
    """A cell too many, or words behind a fence, are dropped by readers of Markdown; here the whole text stays plain instead."""
    assert shown(text) == text
    assert entities(text) == []


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\x00", "\u200b\u2060", "\ud800", "\u3164"])
def test_nothing_to_see_is_said_in_words(text: str) -> None:
    """Telegram refuses messages without visible characters."""
    assert shown(text) == NOTHING


def test_unsendable_characters_are_left_out() -> None:
    """NUL, lone surrogates and control characters go; tabs are spaces, for Telegram would make one space of each; lines stay."""
    assert shown("a\x00b\ud83dc\td\r\ne\x1b[0m") == "abc d\ne[0m"


def test_a_text_of_one_line_is_cut_at_spaces() -> None:
    """No word is cut in two where there are spaces."""
    words = "word " * 3_000
    bodies = check(words)
    assert all(re.fullmatch(r"(word ?)+", body["text"]) for body in bodies)
    assert "".join(body["text"] for body in bodies).split() == words.split()


def test_a_text_without_any_gap_is_cut_between_characters() -> None:
    """Emoji outside the Basic Multilingual Plane count twice and are never halved."""
    text = "x" + "\U0001f600" * 5_000
    assert "".join(body["text"] for body in check(text)) == text


def test_a_long_fence_goes_on_as_code_in_the_next_message() -> None:
    """Every part of a cut block of code keeps its language."""
    bodies = check("```sh\n" + "echo hello\n" * 1_000 + "```")
    assert len(bodies) == 3
    assert [body["entities"][0]["language"] for body in bodies] == ["sh"] * 3


def test_more_than_a_hundred_entities_make_another_message() -> None:
    """Telegram would drop the formatting after the hundredth without a word."""
    bodies = check(" ".join(f"**w{number}**" for number in range(250)))
    assert len(bodies) >= 3
    assert sum(len(body["entities"]) for body in bodies) == 250
    assert "".join(body["text"] for body in bodies).split() == [f"w{number}" for number in range(250)]


def test_a_huge_text_is_cut_and_says_so() -> None:
    """There is a limit, and it is visible."""
    assert shown("a" * (MAX_CHARACTERS + 7)).endswith("(cut here: 7 more characters)")


def test_a_page_of_html_does_not_take_for_ever() -> None:
    """The rounds of asking the parser are limited; after that the text is plain."""
    text = "\n".join(f"<div class='{number}'>" for number in range(2_000))
    assert "".join(shown(text).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "\t" * 99_999 + "x",
        "*_~`[<|" * 14_000,
        "|a|\n|-|\n|b|\n\n" * 7_000,
        "> " * 40_000,
        "<b>\n\n" * 16_000 + "```a b\nx",
    ],
)
def test_odd_texts_of_the_largest_size_do_not_take_for_ever(text: str) -> None:
    """No reading of them takes more than twice as long for twice as much."""
    assert check(text)


def test_buttons_stand_in_rows_by_their_length() -> None:
    """Two short ones beside each other, a long one alone, and each carries its token."""
    buttons = [
        Button("Run", "t1"),
        Button("No", "t2"),
        Button("Run, stop at $1.90 of it", "t3"),
        Button("Raise +$5", "t4"),
    ]
    [body] = compose("Run it?", buttons)
    rows = json.loads(body)["reply_markup"]["inline_keyboard"]
    assert [[key["text"] for key in row] for row in rows] == [
        ["Run", "No"],
        ["Run, stop at $1.90 of it"],
        ["Raise +$5"],
    ]
    assert [key["callback_data"] for row in rows for key in row] == ["t1", "t2", "t3", "t4"]


def test_a_button_without_words_or_with_too_long_a_token_is_not_sent() -> None:
    """A label is always visible; a token that Telegram would refuse is a mistake of ours."""
    [body] = compose("?", [Button("\x00", "t")])
    assert json.loads(body)["reply_markup"]["inline_keyboard"][0][0]["text"] == "?"
    for token in ("", "t" * 65):
        with pytest.raises(ValueError, match="1 to 64 bytes"):
            compose("?", [Button("Run", token)])


MARKS = st.sampled_from(
    [
        "*",
        "**",
        "_",
        "__",
        "`",
        "```",
        "~~",
        "~",
        "|",
        "||",
        "<",
        ">",
        "</b>",
        "<b>",
        "<!--",
        "[",
        "]",
        "(",
        ")",
        "![",
        "](",
        "]:",
        "\\",
        "$",
        "$$",
        "#",
        "##",
        "-",
        "+",
        "1.",
        "&amp;",
        "&lt;",
        "---",
        "===",
        "\n",
        "\n\n",
    ]
)
WORDS = st.sampled_from(["alpha", "beta7", "ß", "日本", "\U0001f600", "https://x.y/z", "C:\\dir", "x"])


@UNHURRIED
@given(st.lists(MARKS | WORDS | st.text(max_size=3), max_size=40).map("".join))
def test_any_mixture_of_marks_and_words_is_taken_by_telegram(text: str) -> None:
    """Whatever an agent writes: offsets fit, lengths fit, and something is visible."""
    check(text)


@UNHURRIED
@given(st.lists(st.tuples(st.lists(MARKS, max_size=3).map("".join), WORDS), min_size=1, max_size=25))
def test_no_letter_is_lost_whatever_stands_around_it(pieces: list[tuple[str, str]]) -> None:
    """Letters, digits and symbols of the Markdown are all shown, or stand in a link's address or a fence's language."""
    text = "".join(mark + word for mark, word in pieces)
    bodies = check(text)
    extras = [e.get(name, "") for body in bodies for e in body.get("entities", ()) for name in ("url", "language")]
    seen = "".join([*(body["text"] for body in bodies), *extras])
    for word in ("alpha", "beta", "ß", "日本", "\U0001f600", "dir"):
        assert seen.count(word) >= text.count(word)


@UNHURRIED
@given(st.text(alphabet=st.characters(categories=("L", "N", "S", "Zs")).filter(lambda c: c not in "<>|~$`^=+")))
def test_text_without_markup_comes_out_as_it_went_in(text: str) -> None:
    """Spaces at the edges aside, plain words are not touched."""
    assert shown(text).split() == text.split() or shown(text) == NOTHING


@UNHURRIED
@given(
    st.lists(st.sampled_from(["**b** ", "`c`\n", "\U0001f600", "word ", "x" * 500, "# h\n", "> q\n\n"]), max_size=300)
)
def test_long_mixtures_are_split_within_every_limit(pieces: list[str]) -> None:
    """Length and number of entities hold in each part, and the parts together say it all."""
    text = "".join(pieces)
    bodies = check(text)
    assert sum(body["text"].count("x") for body in bodies) == text.count("x")
    assert sum(body["text"].count("\U0001f600") for body in bodies) == text.count("\U0001f600")
