"""The size and the form of every message: Telegram and the outbox take each body, whatever was said."""

import json
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telegramify_markdown import MessageEntity

from gateway.chats.telegram.markup import MAX_BUTTONS, MAX_CHARACTERS, MAX_PARTS, compose
from gateway.chats.telegram.parts import LONGEST_URL, Part, nested, split
from gateway.domain.effects import Button
from gateway.store.posts import LARGEST_BODY
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_text import Formatted, clean

LARGEST_JSON = 60_000
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
CODE = ("code", "pre")


def check(text: str, buttons: tuple[Button, ...] = ()) -> list[dict[str, Any]]:
    """The bodies, each held against the limits of Telegram and of the outbox."""
    bodies = compose(text, buttons)
    assert 1 <= len(bodies) <= MAX_PARTS
    assert max(len(body.encode()) for body in bodies) < LARGEST_JSON < LARGEST_BODY
    made = [json.loads(body) for body in bodies]
    for body in made:
        entities = body.get("entities", [])
        taken = clean(Formatted(body["text"], tuple(entities)))
        assert taken.text.strip()
        assert taken.dropped == 0
        assert utf16(body["text"]) <= 4096
        assert len(entities) <= 100
        for entity in entities:
            assert 0 <= entity["offset"] < entity["offset"] + entity["length"] <= utf16(body["text"])
            assert len(entity.get("url", "")) <= LONGEST_URL
        for one, other in combinations(entities, 2):
            assert fit(one, other), (one, other)
    return made


def fit(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two entities are apart, or one inside the other where Telegram allows it."""
    first, last = sorted((one, other), key=lambda e: (e["offset"], -e["length"], e["type"] in CODE))
    if first["offset"] + first["length"] <= last["offset"]:
        return True
    inside = last["offset"] + last["length"] <= first["offset"] + first["length"]
    groups = (("blockquote", "expandable_blockquote"), ("text_link",))
    twice = any(first["type"] in group and last["type"] in group for group in groups)
    return inside and first["type"] not in CODE and not twice


def urls(bodies: list[dict[str, Any]]) -> list[str]:
    """The addresses behind words."""
    return [entity["url"] for body in bodies for entity in body.get("entities", []) if "url" in entity]


def test_links_with_long_addresses_make_more_messages_and_all_are_kept() -> None:
    """A hundred signed addresses of an object store do not push one body over what the outbox takes."""
    links = [f"https://bucket.example/{'k' * 670}{number}" for number in range(100)]
    bodies = check(" ".join(f"[file {number}]({link})" for number, link in enumerate(links)))
    assert len(bodies) > 1
    assert urls(bodies) == links


def test_an_address_too_long_for_a_link_is_shown_cut_behind_its_words() -> None:
    """Nobody follows 2,001 characters; what the link was about stays readable, and so does what comes after it."""
    [body] = check(f"see **[the \U0001f600 log](https://x.y/{'a' * 2_000}) of** today and [more](https://z.z)")
    assert body["text"].startswith("see the \U0001f600 log (too long for a link: https://x.y/aaaa")
    assert body["text"].endswith("a…) of today and more")
    cut = body["text"].encode("utf-16-le")
    covered = {
        e["type"]: cut[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le") for e in body["entities"]
    }
    assert covered["text_link"] == "more"
    assert covered["bold"].startswith("the \U0001f600 log (")
    assert covered["bold"].endswith("a…) of")
    assert covered["code"].startswith("https://x.y/aaaa")


def test_a_long_address_in_angle_brackets_is_shown_whole() -> None:
    """It is its own words: nothing is added to it, and nothing is lost."""
    address = f"https://x.y/{'a' * 5_000}"
    assert "".join(body["text"] for body in check(f"<{address}>")) == address


def test_formatting_that_would_take_too_many_messages_is_given_up_for_the_words() -> None:
    """25,000 words in italics would be 250 messages; as written they are 25, and complete."""
    text = "*a* " * 25_000
    bodies = check(text)
    assert "".join("".join(body["text"] for body in bodies).split()) == "*a*" * 25_000


def test_there_are_at_most_forty_messages_and_the_last_one_counts_the_rest() -> None:
    """Emoji count twice, so 100,000 of them do not fit: the last message says how many are missing."""
    bodies = check("\U0001f600" * (MAX_CHARACTERS + 5))
    assert len(bodies) == MAX_PARTS
    seen = sum(body["text"].count("\U0001f600") for body in bodies)
    assert bodies[-1]["text"] == f"(cut here: {MAX_CHARACTERS + 5 - seen} more characters)"


def test_the_note_about_the_rest_is_no_code_when_the_cut_is_in_code() -> None:
    """What the gateway says of itself does not look like the agent's output."""
    last = check("```\n" + "a" * MAX_CHARACTERS)[-1]
    assert last == {"text": "(cut here: 4 more characters)"}


@pytest.mark.parametrize("count", [MAX_BUTTONS, 1_000])
def test_many_buttons_with_long_labels_fit_and_what_is_left_out_is_counted(count: int) -> None:
    """A hundred buttons is Telegram's limit; the question says how many more there were."""
    buttons = tuple(Button("\U0001f600" * 500, "t" * 64) for _ in range(count))
    bodies = check("日本" * 2_048, buttons)
    rows = bodies[-1]["reply_markup"]["inline_keyboard"]
    assert sum(map(len, rows)) == MAX_BUTTONS
    assert (bodies[-1]["text"] == "(cut here: 900 more buttons)") == (count > MAX_BUTTONS)


def test_a_label_that_is_cut_shows_that_it_is() -> None:
    """People do not press half a sentence unknowingly."""
    [body] = check("?", (Button("x" * 65, "t"), Button("y" * 64, "u")))
    assert [row[0]["text"] for row in body["reply_markup"]["inline_keyboard"]] == ["x" * 63 + "…", "y" * 64]


@pytest.mark.parametrize(
    ("markdown", "kinds"),
    [
        ("> > deep", ["blockquote"]),
        ("[`code`](https://x.y)", ["text_link"]),
        ("[see `code`](https://x.y)", ["text_link"]),
        ("**bold `code`**", ["bold", "code"]),
        ("> ```\n> code\n> ```", ["blockquote", "pre"]),
    ],
)
def test_what_telegram_does_not_nest_is_not_nested(markdown: str, kinds: list[str]) -> None:
    """No quote in a quote; an address outlives the code that it is behind."""
    [body] = check(markdown)
    assert [entity["type"] for entity in body["entities"]] == kinds


@pytest.mark.parametrize(
    "text",
    ["a&#0;b", "a&#27;[0m&#xD800;", "&#1;", "&#13;", "[a](https://x.y/&#7;)", "```a&#7;b\nx\n```", "\u0333", "\ufffc"],
)
def test_characters_by_number_are_as_harmless_as_typed_ones(text: str) -> None:
    """Control characters that Markdown makes are not sent either, and nothing invisible is sent alone."""
    for body in check(text):
        strings = [body["text"], *(str(value) for entity in body.get("entities", []) for value in entity.values())]
        assert not [c for string in strings for c in string if c < " " and c not in "\n\t"]


@pytest.mark.parametrize("odd", ["\x00", "\ud83d", "\udc00\ud83d", "\uffff", "\x1b", "\x85", "\u2028"])
def test_odd_characters_anywhere_raise_nothing(odd: str) -> None:
    """In words, addresses, languages and labels."""
    text = f"a{odd} **{odd}** [b{odd}](https://x.y/{odd}) `{odd}`\n```{odd}\n{odd}\n```"
    check(text, (Button(f"l{odd}", "t"), Button(odd, "u")))


SIZES = st.sampled_from([0, 1, 60, 700, 1_990, 2_001, 9_000])
LINKS = st.builds(
    lambda words, size, letter: f"[{words}](https://x.y/{letter * size}) ",
    st.sampled_from(["a", "`b`", "**c**", "日本", "\U0001f600" * 30]),
    SIZES,
    st.sampled_from(["a", "ß", "日", "\U0001f600", '"', "\\\\"]),
)
PIECES = st.sampled_from(
    [
        *(
            "**b** ",
            "*i",
            "_",
            "~~s~~ ",
            "`c`",
            "```py\n",
            "```\n",
            "> q\n",
            "> > r\n",
            "# h\n",
            "- l\n",
            "1. n\n",
            "\n\n",
        ),
        *(
            "||",
            "|a|b|\n|-|-|\n|1|2|\n",
            "<b>",
            "<https://x.y> ",
            "&#27;",
            "&amp;",
            "![i](https://x.y)",
            '"',
            "\\",
            "\t",
        ),
        *("\x00", "\ud83d", "\u200b", "\U0001f600", "日本", "x" * 500, "word " * 90),
    ]
)
TEXTS = st.lists(
    st.tuples(LINKS | PIECES | st.text(max_size=4), st.sampled_from([1, 1, 1, 2, 40, 120])), max_size=30
).map(lambda pieces: "".join(piece * times for piece, times in pieces))
BUTTONS = st.lists(st.builds(Button, st.text(max_size=90), st.just('"' * 64)), max_size=130).map(tuple)


@UNHURRIED
@given(TEXTS, st.just(()) | BUTTONS)
def test_every_body_of_any_text_keeps_every_limit(text: str, buttons: tuple[Button, ...]) -> None:
    """Bytes, units, entities and their nesting, number of messages, and something to see in each."""
    check(text, buttons)


ENTITIES = st.lists(
    st.builds(
        lambda kind, at, size: MessageEntity(kind, at, size, url="https://x.y" if kind == "text_link" else None),
        st.sampled_from(["bold", "italic", "code", "pre", "text_link", "blockquote", "spoiler"]),
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    max_size=30,
)


@UNHURRIED
@given(ENTITIES)
def test_entities_that_cross_are_made_to_nest(entities: list[MessageEntity]) -> None:
    """Also those that no reader of Markdown makes."""
    made = [entity.to_dict() for entity in nested(entities)]
    assert all(fit(one, other) for one, other in combinations(made, 2))
    assert all(entity["length"] > 0 for entity in made)


@UNHURRIED
@given(st.text(st.sampled_from("a \n\U0001f600日"), max_size=300).map(lambda text: text * 40))
def test_parts_together_are_the_whole_text(text: str) -> None:
    """Splitting loses and repeats nothing."""
    assert "".join(part.text for part in split(Part(text))) == text


def test_characters_by_name_in_code_do_not_cost_a_message_its_formatting() -> None:
    """In code `&copy;` is six characters, in words it is one: neither is a loss."""
    [body] = check("**b** &copy; `&copy;` \\&copy; &nothing;")
    assert body["text"] == "b © &copy; &copy; &nothing;"
    assert [entity["type"] for entity in body["entities"]] == ["bold", "code"]
