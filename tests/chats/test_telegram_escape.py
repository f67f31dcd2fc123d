"""Words of people and of agents inside the gateway's own messages are shown as they are."""

import json
import re
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.chats.telegram.markup import NOTHING, compose
from gateway.core.summary import escape

UNHURRIED = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def check(text: str) -> None:
    """Alone, below a line and between words: the same text, edges of the message and tabs aside, and no formatting."""
    exact = re.sub("[\u2028\u2029]", "\n", UNSENDABLE.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))
    exact = re.sub("\\w\u030a", lambda match: normalize("NFC", match.group()), exact)
    for before, after in (("", ""), ("above\n", ""), ("▸ Bash: ", ".\nbelow")):
        if not exact.strip() and before:
            continue
        bodies = [json.loads(body) for body in compose(before + escape(text) + after, ())]
        shown = "".join(body["text"] for body in bodies)
        assert shown == NOTHING or shown.strip() == (before + exact + after).expandtabs(4).strip()
        assert not any(body.get("entities") for body in bodies)


@pytest.mark.parametrize(
    "text",
    [
        "`rm -rf` ```x``` pkg/__init__.py *.py **/*",
        "[a](http://b.c) <http://b.c> https://x.y/a_b_c ![i](https://x.y)",
        "- a\n+ b\n* c\n1. d\n2) e\n- [ ] f",
        "# h\n> q\n---\n===\na\n===\n~~~",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "a || b ~~c~~ ~d~ $e$ $$f$$ Vec<u8> &copy; &#10; \\* \\",
        "@user #tag /stop a@b.c [x]: y [^1]",
        "one\n\n\n\ntwo\n",
        "def f():\n    return 1\n\n\n    # end  \n\tx",
        "    indented at once",
        "\x1f# no heading",
        "a\r\nb\rc",
    ],
)
def test_what_markdown_would_read_is_shown_as_it_is(text: str) -> None:
    """Marks, lists, tables, addresses, empty lines and indentation."""
    check(text)


CHARACTERS = st.text(st.sampled_from("\\`*_[]()<>&|~$#+-=.!:;@/{}1 9\n\n\t  ab\"'^%日\U0001f600"), max_size=30)
TOKENS = st.sampled_from(
    [
        *(
            "[a](http://b.c)",
            "http://x.y/z",
            "&copy;",
            "<b>",
            "</b>",
            "<!--",
            "-->",
            "```",
            "~~~",
            "||",
            "**",
            "__",
            "$$",
        ),
        *(
            "1. ",
            "- ",
            "# ",
            "> ",
            "| a | b |",
            "|---|---|",
            "[x]: y",
            "![",
            "---",
            "===",
            "\\",
            "    ",
            "\n",
            "\n\n",
            "\t",
            "a",
        ),
    ]
)


@UNHURRIED
@given(CHARACTERS | st.lists(TOKENS, max_size=12).map("".join) | st.text(max_size=12))
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    """There is no text that Markdown can make something else of."""
    check(text)
