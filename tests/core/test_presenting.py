"""How an answer is shown: what is said, what is drawn, and what goes as a file."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.presenting import (
    PICTURE_COLUMNS,
    PICTURE_ROWS,
    PICTURES_MAX,
    SAID_CHARACTERS_MAX,
    SPARE_ROWS,
    Diff,
    Row,
    RowKind,
    Shown,
    pages,
    present,
)

SMALL = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-old\n+new\n same"
LARGE = "\n".join(["--- a/x.py", "+++ b/x.py", "@@ -1,60 +1,60 @@", *["-old", "+new"] * 50, *[" same"] * 10])


def only(diff: str) -> list[Row]:
    """The rows of a diff that is one page."""
    [page], left_out = pages([Diff(diff, 1, 0, 0)])
    assert left_out == 0
    return list(page)


def test_an_ordinary_answer_is_said_as_it_is() -> None:
    """Text and code, with whatever fences, are nobody's business."""
    answer = "Done.\n\n```py\nx = 1\n```\n- a\n--- no diff\n+++ nor this\nplain\n```diff\nhalf open"
    assert present(answer) == Shown((answer,))
    assert present(answer).plain


def test_a_small_diff_is_said_as_code() -> None:
    """In a fence it stays there; without one it gets one, that Markdown reads it as what it is."""
    assert present(f"a\n```diff\n{SMALL}\n```\nb").pieces == (f"a\n```diff\n{SMALL}\n```\nb",)
    assert present(f"a\n{SMALL}\nb").pieces == (f"a\n```diff\n{SMALL}\n```\nb",)


def test_a_small_diff_with_a_fence_in_it_gets_a_longer_one() -> None:
    """What it changes may be Markdown."""
    diff = "--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n-```\n+````py"
    assert present(diff).pieces == (f"`````diff\n{diff}\n`````",)


@pytest.mark.parametrize(("fence", "end"), [("```diff", "```"), ("~~~ patch", "~~~"), ("````DIFF", "`````")])
def test_a_large_diff_is_drawn_where_it_stands(fence: str, end: str) -> None:
    """More than forty lines; the words around it stay, and it is counted."""
    shown = present(f"before\n{fence}\n{LARGE}\n{end}\nafter")
    assert shown.pieces == ("before", Diff(LARGE + "\n", 1, 50, 50), "after")
    assert shown.diffs == (Diff(LARGE + "\n", 1, 50, 50),)
    assert not shown.plain
    assert not shown.cut


def test_a_wide_diff_is_drawn() -> None:
    """A line of more than sixty columns is broken by a phone; wide characters count twice, marks not at all."""
    for line, large in (
        ("x" * 60, True),
        ("x" * 59, False),
        ("日" * 30, True),
        ("e\u0301" * 59, False),
        ("\t" * 15 + "x", True),
    ):
        shown = present(f"```diff\n+{line}\n```")
        assert bool(shown.diffs) == large, line


def test_a_large_diff_without_a_fence_is_found_to_its_end() -> None:
    """By the counts of its hunks, and a little further where those are wrong; what follows is text again."""
    git = f"diff --git a/x.py b/x.py\nindex 1..2 100644\n{LARGE}\n\\ No newline at end of file"
    shown = present(f"Here:\n{git}\n\n- a list\n{git}\n+one more\nend")
    assert shown.pieces == (
        "Here:",
        Diff(git + "\n", 1, 50, 50),
        "\n- a list",
        Diff(f"{git}\n+one more\n", 1, 51, 50),
        "end",
    )


def test_a_hunk_that_says_too_much_of_itself_ends_where_its_lines_do() -> None:
    """Agents count badly."""
    diff = LARGE.replace("-1,60 +1,60", "-1,999 +1,999")
    assert present(f"{diff}\nText after it.").pieces == (Diff(diff + "\n", 1, 50, 50), "Text after it.")
    assert present(diff).pieces == (Diff(diff + "\n", 1, 50, 50),)


def test_a_very_long_answer_is_begun_and_goes_whole_as_a_file() -> None:
    """It is cut between paragraphs; diffs after the cut are drawn all the same."""
    paragraph = "word " * 100 + "\n\n"
    answer = paragraph * 40
    shown = present(f"{answer}```diff\n{LARGE}\n```\n{paragraph}")
    said, diff = shown.pieces
    assert shown.cut
    assert isinstance(said, str)
    assert answer.startswith(said)
    assert SAID_CHARACTERS_MAX * 0.9 < len(said) <= SAID_CHARACTERS_MAX
    assert said.endswith("word")
    assert isinstance(diff, Diff)


def test_a_very_long_fence_is_cut_at_a_line_and_closed() -> None:
    """The sentence behind the beginning is no code; neither is what comes before."""
    code = "x = compute(y)\n" * 2_000
    for mark in ("```", "~~~~"):
        [said] = present(f"Short.\n\n{mark}py\n{code}{mark}").pieces
        assert isinstance(said, str)
        assert said.endswith(f"x = compute(y)\n{mark}")
        assert len(said) <= SAID_CHARACTERS_MAX + 5


def test_a_fence_that_ended_before_the_cut_is_not_closed_twice() -> None:
    """Only open ones are."""
    [said] = present("```\na\n```\n" + "one line\n" * 3_000).pieces
    assert isinstance(said, str)
    assert said.endswith("one line")
    [said] = present("x" * 20_000).pieces
    assert said == "x" * SAID_CHARACTERS_MAX


def test_the_rows_of_a_diff_carry_the_numbers_of_their_lines() -> None:
    """Of the old file for what is removed, of the new one for what is added, of both for what stays."""
    diff = "diff --git a/x.py b/x.py\nindex 1..2\n--- a/x.py\n+++ b/x.py\n@@ -10,2 +20,3 @@ def f\n same\n-old\n+\tnew\n+more\n\\ No newline"
    assert only(diff) == [
        Row(RowKind.FILE, "x.py"),
        Row(RowKind.HUNK, "@@ -10,2 +20,3 @@ def f"),
        Row(RowKind.CONTEXT, "same", 10, 20),
        Row(RowKind.REMOVED, "old", 11),
        Row(RowKind.ADDED, "    new", None, 21),
        Row(RowKind.ADDED, "more", None, 22),
        Row(RowKind.NOTE, "\\ No newline"),
    ]


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("--- a/x.py\n+++ b/x.py", "x.py"),
        ("--- x.py\t2024-01-01\n+++ x.py\t2024-01-02", "x.py"),
        ("--- /dev/null\n+++ b/new.py", "new.py (new)"),
        ("--- a/gone.py\n+++ /dev/null", "gone.py (deleted)"),
        ("--- a/old.py\n+++ b/new.py", "old.py → new.py"),
        ("diff --git a/o b/n\nsimilarity index 100%\nrename from o\nrename to n", "o → n"),
        ("diff --git a/x.png b/x.png\nBinary files differ", "a/x.png b/x.png"),
        ("--- a/only.py", "only.py"),
        ("+++ b/only.py", "only.py"),
    ],
)
def test_a_file_is_named_in_one_row(head: str, named: str) -> None:
    """Its name, and that it is new, gone or renamed."""
    assert only(head) == [Row(RowKind.FILE, named)]


def test_two_files_after_each_other_are_two_rows() -> None:
    """Also without hunks between them."""
    diff = "diff --git a/a b/a\nBinary files differ\ndiff --git a/b b/b\n--- a/b\n+++ b/b\n--- a/c\n+++ b/c\n@@ -1 +1 @@\n-x\n+y"
    assert [row.text for row in only(diff) if row.kind is RowKind.FILE] == ["a/a b/a", "b", "c"]


def test_a_diff_without_heads_has_no_numbers() -> None:
    """As agents write it when they mean two lines."""
    assert only("-a\n+b\nindex of c\n d") == [
        Row(RowKind.REMOVED, "a"),
        Row(RowKind.ADDED, "b"),
        Row(RowKind.CONTEXT, "index of c"),
        Row(RowKind.CONTEXT, "d"),
    ]


def test_long_lines_go_on_in_rows_without_numbers() -> None:
    """Between words where there are any; where a hunk is takes one row."""
    text = "word " * 30
    rows = only(f"@@ -1,0 +1 @@ {'f' * 90}\n+{text}\n+{'日' * 40}")
    assert rows[0].text.endswith("…")
    assert len(rows[0].text) == PICTURE_COLUMNS
    added = rows[1:]
    assert "".join(row.text for row in added) == text + "日" * 40
    assert [(row.new, row.goes_on) for row in added] == [
        (1, False),
        (None, True),
        (None, True),
        (None, False),
        (None, True),
    ]
    assert added[0].text == "word " * 12
    assert added[3].text == "日" * 32


def test_a_long_diff_is_several_pictures_and_each_names_its_file() -> None:
    """At most six; how many more there would be is known."""
    diff = "--- a/x.py\n+++ b/x.py\n@@ -1,900 +1,900 @@\n" + " same\n" * 900
    found, left_out = pages([Diff(diff, 1, 0, 0)])
    assert len(found) == PICTURES_MAX
    assert left_out == 11
    assert all(len(page) <= PICTURE_ROWS for page in found)
    assert {page[0].text for page in found} == {"x.py"}
    assert [row.new for page in found for row in page if row.new] == list(range(1, 6 * PICTURE_ROWS - 6))


def test_a_file_that_would_begin_at_the_end_of_a_picture_begins_the_next() -> None:
    """Its name stands above its lines; a diff without names goes on without."""
    one = "--- a/{0}\n+++ b/{0}\n@@ -1,45 +1,45 @@\n" + " same\n" * 45
    found, _ = pages([Diff(one.format("x") + one.format("y"), 2, 0, 0)])
    assert [page[0].text for page in found] == ["x", "y"]
    for count, sizes in (
        (100, [PICTURE_ROWS, 100 - PICTURE_ROWS]),
        (PICTURE_ROWS + SPARE_ROWS, [PICTURE_ROWS + SPARE_ROWS]),
    ):
        found, _ = pages([Diff("+a\n" * count, 1, count, 0)])
        assert [len(page) for page in found] == sizes


LINES = st.sampled_from(
    [
        "```diff",
        "```",
        "~~~",
        "+a",
        "-b",
        " c",
        "",
        "@@ -1,2 +1,3 @@",
        "--- a/x",
        "+++ b/x",
        "diff --git a/x b/x",
        "text",
        "\\ no",
        "    ```patch",
        "x" * 90,
    ]
)


@given(st.lists(st.tuples(LINES, st.sampled_from([1, 1, 1, 45])), max_size=25))
def test_no_line_of_any_answer_is_lost(lines: list[tuple[str, int]]) -> None:
    """It is said, or drawn, or cut off by a known limit."""
    answer = "\n".join(line for line, times in lines for _ in range(times))
    shown = present(answer)
    seen = "\n".join(piece if isinstance(piece, str) else piece.text for piece in shown.pieces).split("\n")
    for line in {line for line, _ in lines if line and "`" not in line and "~" not in line}:
        assert shown.cut or seen.count(line) >= answer.split("\n").count(line)
    found, left_out = pages(shown.diffs)
    for diff in () if left_out else shown.diffs:
        added = [row for page in found for row in page if row.kind is RowKind.ADDED and not row.goes_on]
        assert len(added) >= diff.added


@pytest.mark.parametrize(
    "answer",
    [
        "```" + "x" * 400_000 + "`",
        "~" * 400_000 + "`",
        "```" + " " * 400_000 + "`",
        "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n" * 6_000,
    ],
    ids=["a fence that is none", "waves", "blanks", "renames"],
)
def test_what_is_nearly_a_fence_or_a_diff_is_looked_at_once(answer: str) -> None:
    """Attack 67: however long, an agent that writes such a thing holds nobody up. What is not cut is said as it is."""
    began = time.process_time()
    shown = present(answer)
    assert time.process_time() - began < 5
    assert shown.cut
    assert answer.startswith(str(shown.pieces[0]))


def test_names_without_hunks_stay_what_they_are() -> None:
    """No diff is made of them, and the diff behind them is one."""
    names = "diff --git a/x b/y\nrename from x\nrename to y"
    assert present(f"{names}\nmoved").pieces == (f"{names}\nmoved",)
    assert present(f"{names}\n\n{LARGE}").pieces == (f"{names}\n", Diff(LARGE + "\n", 1, 50, 50))


def test_of_ten_megabytes_the_beginning_is_read_and_the_whole_is_a_file() -> None:
    """What would be drawn further on stands in the file too."""
    answer = f"{LARGE}\n\n" + "word " * 2_000_000
    shown = present(answer)
    assert shown.cut
    assert shown.diffs == (Diff(LARGE + "\n", 1, 50, 50),)
    assert sum(len(piece) for piece in shown.pieces if isinstance(piece, str)) <= SAID_CHARACTERS_MAX
    only_diffs = present("\n\n".join([f"~~~diff\n{LARGE}\n~~~"] * 2_000))
    assert only_diffs.cut
