"""Which files go through a chat, what they are called, and how the outbox holds one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.files import (
    NAME_MAX,
    PHOTO_BYTES_MAX,
    Found,
    card_ref,
    carried,
    enclosed,
    file_ref,
    fits_under,
    kind_of,
    may_hold_file,
    may_send,
    parcel_of,
    readable,
    room,
    shown_name,
    stand_in,
    suffix_of,
    words_under,
)
from gateway.domain.files import Attachment, FileKind, Parcel


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (Found("/home/me/.local/share/tollbridge/tollbridge.db", regular=True, own=True), "own"),
        (Found("/srv", regular=False, own=False), "regular"),
        (Found("/proc/1/environ", regular=True, own=False), "system"),
        (Found("/sys/power/state", regular=True, own=False), "system"),
        (Found("/dev/mem", regular=True, own=False), "system"),
    ],
)
def test_what_may_not_be_sent_is_refused_in_words(found: Found, word: str) -> None:
    """The gateway's own, what is no file, and what only looks like one."""
    assert word in may_send(found)


def test_any_other_file_may_be_sent() -> None:
    """A name that only begins like the system's is nobody's secret."""
    assert may_send(Found("/srv/project/a.txt", regular=True, own=False)) == ""
    assert may_send(Found("/process/a.txt", regular=True, own=False)) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\0b\r\nc\u202etxt.exe", "abctxt.exe"),
        ('he said "yes".md', "he said 'yes'.md"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.log", "_com1.log"),
        ("console.txt", "console.txt"),
        (".env", ".env"),
        ("..", "file"),
        ("  ", "file"),
        ("", "file"),
        ("/srv/", "file"),
        ("x" * 200 + ".PNG", "x" * 96 + ".png"),
        ("x" * 200, "x" * 100),
    ],
)
def test_a_name_is_shown_without_what_could_mislead(name: str, shown: str) -> None:
    """No directories, no controls, no turned direction of writing, no name that a device has."""
    assert shown_name(name) == shown


@given(st.text())
def test_any_name_at_all_becomes_one_that_can_be_shown(name: str) -> None:
    """Short, printable, and never a way up."""
    shown = shown_name(name)
    assert 0 < len(shown) <= NAME_MAX + 1
    assert not set(shown) & set('/\\"\0\r\n')
    assert shown.strip(".")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.PNG", ".png"),
        ("a.tar.gz", ".gz"),
        ("a", ""),
        (".env", ""),
        ("a.", ""),
        ("a.p ng", ""),
        ("a." + "x" * 11, ""),
    ],
)
def test_a_suffix_is_plain_or_none(name: str, suffix: str) -> None:
    """Only letters and digits of it get to the disk."""
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("head", "size", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", 10, FileKind.PHOTO),
        (b"\xff\xd8\xff\xe0", 10, FileKind.PHOTO),
        (b"RIFF\0\0\0\0WEBPVP8 ", 10, FileKind.PHOTO),
        (b"RIFF\0\0\0\0WAVEfmt ", 10, FileKind.DOCUMENT),
        (b"GIF89a", 10, FileKind.DOCUMENT),
        (b"\x89PNG\r\n\x1a\n....", PHOTO_BYTES_MAX + 1, FileKind.DOCUMENT),
    ],
)
def test_a_picture_is_told_by_its_beginning(head: bytes, size: int, kind: FileKind) -> None:
    """Not by its name; one that is too large for a picture is a file."""
    assert kind_of(head, size) is kind


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (118_400, "118 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2_440_000, "2.4 MB"),
        (20 * 1024 * 1024, "20 MB"),
    ],
)
def test_a_size_is_told_as_people_read_it(size: int, words: str) -> None:
    """With its unit; a limit as its owner wrote it."""
    assert readable(size) == words


PARCEL = Parcel("/srv/own/spool/file_1.png", "a.png", FileKind.PHOTO, 12, "/srv/a.png")


def test_a_file_comes_out_of_the_outbox_as_it_went_in() -> None:
    """What is sent is what was decided; a text is no file, whatever it says."""
    assert parcel_of(file_ref("turn:t_1:answer", 2), enclosed(PARCEL)) == PARCEL
    assert parcel_of("turn:t_1:answer", enclosed(PARCEL)) is None


def test_a_card_is_words_or_a_picture_with_words_under_it() -> None:
    """Which of the two its body tells; a file that goes by itself has none under it."""
    ref = card_ref("note_1")
    body = enclosed(PARCEL, '{"text": "Spent"}')
    assert parcel_of(ref, body) == carried(ref, body) == PARCEL
    assert words_under(body) == '{"text": "Spent"}'
    assert parcel_of(ref, '{"text": "Spent"}') is None
    assert words_under(enclosed(PARCEL)) == ""
    assert [may_hold_file(one) for one in (ref, file_ref("r", 1), "note_1")] == [True, True, False]


@pytest.mark.parametrize(("text", "fits"), [("a" * 1024, True), ("a" * 1025, False), ("\U0001f6a7" * 513, False)])
def test_not_every_text_fits_under_a_picture(text: str, fits: bool) -> None:
    """As Telegram counts it."""
    assert fits_under(text) is fits


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"text": "a"}', enclosed(PARCEL).replace("photo", "song")])
def test_a_body_that_is_no_file_is_an_error(body: str) -> None:
    """Nothing else is sent in its place."""
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own errors are among them
        parcel_of(file_ref("r", 1), body)
    assert carried(file_ref("r", 1), body) is None
    assert carried(file_ref("r", 1), enclosed(PARCEL)) == PARCEL


def test_files_without_words_have_their_names_for_a_prompt() -> None:
    """Lists and questions show what the message was."""
    files = [Attachment("1", "a.png", FileKind.PHOTO), Attachment("2", "b.pdf", FileKind.DOCUMENT)]
    assert stand_in(files) == "[a.png] [b.pdf]"


def test_the_oldest_go_first_and_no_more_than_needed() -> None:
    """Room for what is wanted, and not a byte beyond the quota."""
    files = [("a", 40), ("b", 30), ("c", 30)]
    assert room(files, 0, 100) == ()
    assert room(files, 1, 100) == ("a",)
    assert room(files, 41, 100) == ("a", "b")
    assert room(files, 1_000, 100) == ("a", "b", "c")
