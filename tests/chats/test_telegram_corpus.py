"""What coding agents write arrives on a phone: Telegram takes every message, nothing is left out, code is code and links are links."""

import html
import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.chats.telegram.markup import NOTHING, compose
from tests.chats.corpus import STREAM, Case, read
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_text import REMOVED, Formatted, clean

CASES = read()
STRIDE = 8
"""The beginnings of the long answer are tested in so many parts, each of them all over it."""
NAMED = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
TASK = re.compile(r"^[ \t>*+-]*\[[xX]\](?=\s)", re.MULTILINE)
LIST_NUMBER = re.compile(r"^[ \t>*+-]*\d{1,9}[.)](?=\s)", re.MULTILINE)


def arrived(markdown: str) -> list[Formatted]:
    """The messages as they are after the server has checked and cleaned them. Raises BadText where it refuses one."""
    messages: list[Formatted] = []
    for body in map(json.loads, compose(markdown, ())):
        message = clean(Formatted(body["text"], tuple(body.get("entities", ()))))
        assert message.text.strip()
        assert message.dropped == 0
        assert utf16(message.text) <= 4096
        messages.append(message)
    return messages


def covered(message: Formatted, entity: dict[str, Any]) -> str:
    """The words of an entity."""
    units = message.text.encode("utf-16-le")
    return units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")


def formatting(messages: list[Formatted]) -> list[tuple[str, ...]]:
    """Kind, words, and language or address of each entity."""
    return [
        (entity["type"], covered(message, entity), *(entity[name] for name in ("language", "url") if name in entity))
        for message in messages
        for entity in message.entities
    ]


def letters(text: str) -> Counter[str]:
    """What may not be lost: every letter, digit and symbol."""
    found = Counter(text)
    meant = (c for c in found if (c.isalnum() if c.isascii() else not c.isspace()) and c not in REMOVED)
    return Counter({c: found[c] for c in meant})


def named(match: re.Match[str]) -> str:
    """What must be seen of `&copy;`: in words a character, in code the name; of `&nothing;` the name."""
    return match.group() if html.unescape(match.group()) == match.group() else ""


def check_nothing_is_lost(markdown: str, messages: list[Formatted]) -> None:
    """Each letter, digit and symbol is seen, or is in an address or a language."""
    said = LIST_NUMBER.sub("", NAMED.sub(named, markdown.replace("\r", "\n")))
    said = re.sub("\\w\u030a", "", TASK.sub("", said))
    seen = "".join(
        message.text + "".join(extra for _, _, *more in formatting([message]) for extra in more) for message in messages
    )
    assert not letters(said) - letters(seen) - letters("\ue000")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_nasty_case_arrives_whole_and_as_it_was_meant(case: Case) -> None:
    """None is refused, nothing of it is dropped, and what matters in it is so on the phone."""
    messages = arrived(case.markdown)
    check_nothing_is_lost(case.markdown, messages)
    text = "\n".join(message.text for message in messages)
    for words in case.shows:
        assert words in text
    for words in case.absent:
        assert words not in text
    found = formatting(messages)
    if case.entities is not None:
        assert not [entity for entity in case.entities if entity not in found], found
        assert case.entities or not found


def test_the_corpus_is_large() -> None:
    """At least eighty cases, each of its own name, and a long answer."""
    assert len({case.name for case in CASES}) == len(CASES) >= 80
    assert len(STREAM) >= 6_000


@pytest.mark.parametrize("first", range(STRIDE))
def test_every_beginning_of_a_long_answer_arrives_whole(first: int) -> None:
    """As it streams in: half-open fences, links, tables and emphasis are never refused, and what was said is seen."""
    for end in range(first + 1, len(STREAM) + 1, STRIDE):
        check_nothing_is_lost(STREAM[:end], arrived(STREAM[:end]))


def test_the_long_answer_is_formatted_to_its_end() -> None:
    """Nothing in it makes the rest of it plain."""
    found = formatting(arrived(STREAM))
    assert {"python", "text", "rust", "diff", "mermaid", "sh", "json"} <= {
        one[2] for one in found if one[0] == "pre" and len(one) > 2
    }
    assert ("code", "pyproject.toml") in found
    assert ("bold", "three") in found
    assert ("bold", "anything") in found


PIECES = st.sampled_from([case.markdown for case in CASES if len(case.markdown) < 2_000] + STREAM.split("\n\n"))
BETWEEN = st.sampled_from(["\n\n", "\n", "", " ", "\n\n> ", "\n- ", "\n   "])


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(PIECES, BETWEEN), min_size=1, max_size=8), st.integers(0, 200))
def test_any_mixture_of_the_cases_arrives_whole(pieces: list[tuple[str, str]], left_out: int) -> None:
    """One after another, in a quote, in a list, cut anywhere."""
    text = "".join(piece + between for piece, between in pieces)
    text = text[: len(text) - left_out]
    messages = arrived(text)
    if [message.text for message in messages] != [NOTHING]:
        check_nothing_is_lost(text, messages)
