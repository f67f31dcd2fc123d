"""What stands in an answer for that of it which goes as pictures and files."""

from gateway.view import presenting_words as words


def test_counts_are_read_as_people_say_them() -> None:
    """One of something is one; thousands have commas; files are named as code."""
    assert (
        words.diff_below(1, 1, 1, "x.diff")
        == "(The diff is below, drawn and in `x.diff`: 1 file, 1 line added, 1 removed.)"
    )
    assert words.diff_below(3, 1_200, 0, "x.diff").endswith("3 files, 1,200 lines added, 0 removed.)")
    assert "1 page more would be needed" in words.not_drawn(1, "x.diff")
    assert "has 34,000 characters" in words.whole_below(34_000, "answer.md")
