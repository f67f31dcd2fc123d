"""What the chat in the terminal promises: the contract of every chat, keys, drawing, and the player that runs the demo."""

import io
import os
import re
import termios
from collections.abc import Iterator, Sequence

import anyio
import pytest
from rich.cells import cell_len

from gateway.chats.console import PERSON, THREAD, Await, ConsoleChat, Player, PlayerStuckError, Press, Write
from gateway.chats.console.conversation import CHARACTERS_MAX, Conversation, split
from gateway.chats.console.keys import LINE_CHARACTERS_MAX, Editor, Ended, Entered, Typed
from gateway.chats.console.tour import HINT
from gateway.domain.effects import Button
from gateway.domain.events import Ignored, Incoming, Message, Tap
from gateway.ports import Delivered, Post, Rejected, UnreadableError
from tests.chats import test_chat_contract as contract

pytestmark = pytest.mark.anyio

RUN, NO = Button("Run, up to $0.20", "token-run"), Button("No", "token-no")


# ---------------------------------------------------------------------------------------------------- every chat's promises
class ConsoleBench:
    """The contract's bench over a console that reads a pipe."""

    def __init__(self) -> None:
        self.typed_from, self._typed_to = os.pipe()
        self.out = io.StringIO()
        self.chat = ConsoleChat(out=self.out, stdin=self.typed_from, person=contract.PERSON)
        self.thread = THREAD

    def says(self, text: str) -> None:
        os.write(self._typed_to, f"{text}\n".encode())

    def taps(self, label: str) -> None:
        keys = [key for shown in self.chat.conversation.open for key, button in shown.keys if button.label == label]
        self.says(str(keys[-1]))

    def sends_file(self, content: bytes, name: str, text: str) -> None:
        raise NotImplementedError

    def texts(self) -> list[str]:
        return [shown.text for shown in self.chat.conversation.messages]

    def labels(self) -> list[str]:
        return [button.label for button in self.chat.conversation.messages[-1].buttons]

    def reactions(self) -> list[str]:
        lines = self.out.getvalue().splitlines()
        return [contract.THUMB for line in lines if line.strip().startswith(contract.THUMB)]

    def files(self) -> list[tuple[str, bytes]]:
        """The person sits at the machine: where it is has to be enough."""
        told = re.findall(r"File: /srv/project/(.+) \(5 bytes\)", "\n".join(self.texts()))
        return [(name.replace("\\", ""), b"five!") for name in told]

    def close(self) -> None:
        os.close(self.typed_from)
        os.close(self._typed_to)


@pytest.fixture
def bench() -> Iterator[ConsoleBench]:
    """A console with a pipe for a keyboard."""
    bench = ConsoleBench()
    yield bench
    bench.close()


NOT_HERE = ("_a_person_sends_", "_beyond_the_limit_", "_that_nobody_sent_", "_a_thread_is_")
"""Nobody sends a file to the machine at which they sit, and a terminal is one thread."""

for _name in dir(contract):
    if _name.startswith("test_") and not any(part in _name for part in NOT_HERE):
        globals()[_name] = getattr(contract, _name)


# ------------------------------------------------------------------------------------------------------------ the input
def piped(data: bytes) -> int:
    """A file descriptor from which this can be read, and then the end."""
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return read


async def received(chat: ConsoleChat) -> list[Incoming]:
    """All that the person did until the input ended."""
    got: list[Incoming] = []

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        [(_, payload)] = updates
        got.append(chat.read(payload))

    with anyio.fail_after(30):
        await chat.receive(accept)
    return got


async def shows(chat: ConsoleChat, text: str, *buttons: Button, edits: str | None = None) -> str:
    """Deliver a message of one part; its id."""
    [body] = chat.compose(text, buttons)
    receipt = await chat.deliver(Post(1, THREAD, "r", body, edits=edits))
    assert isinstance(receipt, Delivered)
    return receipt.message_id


async def test_nobody_sends_a_file_to_their_own_machine() -> None:
    """What is asked for all the same is answered in words."""
    assert await ConsoleChat(out=io.StringIO()).fetch("any", "/nowhere", 1) == "no file was sent here"


async def test_the_end_of_the_input_ends_receive() -> None:
    """Every line up to the end is handed over, also one without a line break; empty ones are not."""
    chat = ConsoleChat(out=io.StringIO(), stdin=piped("Grüße\r\n\n  \n/sessions".encode()))
    assert await received(chat) == [
        Message(THREAD, PERSON, "Grüße"),
        Message(THREAD, PERSON, "/sessions", ("sessions", "")),
    ]


async def test_a_plain_file_is_read_to_its_end(tmp_path: object) -> None:
    """Input that never keeps anyone waiting (a file, /dev/null) works like any other."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    assert await received(ConsoleChat(out=io.StringIO(), stdin=nothing)) == []
    os.close(nothing)
    path = f"{tmp_path}/typed"
    with open(path, "w", encoding="utf-8") as file:  # noqa: ASYNC230, PTH123 - a few bytes
        file.write("one\ntwo\n")
    fd = os.open(path, os.O_RDONLY)
    got = await received(ConsoleChat(out=io.StringIO(), stdin=fd))
    assert [getattr(event, "text", "") for event in got] == ["one", "two"]
    os.close(fd)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/budget 10", ("budget", "10")),
        ("/stop   all ", ("stop", "all")),
        ("/Help@tollbridge_bot", ("help", "")),
        ("/new /srv/my project", ("new", "/srv/my project")),
        ("/etc/hosts is wrong", None),
        ("fix /budget", None),
        ("/", None),
    ],
)
def test_commands_are_told_from_text(line: str, command: tuple[str, str] | None) -> None:
    """A command is a slash and one word at the start of what was typed; a path is not a command."""
    chat = ConsoleChat(out=io.StringIO())
    assert chat.read(f'{{"text": "{line}"}}') == Message(THREAD, PERSON, line, command)
    assert chat.read('{"text": "  "}') == Ignored("an empty line")


async def test_a_number_presses_the_button_that_shows_it() -> None:
    """Open questions are numbered through."""
    chat = ConsoleChat(out=io.StringIO(), stdin=piped(b"3\n1\n"))
    first = await shows(chat, "Run it?", RUN, NO)
    second = await shows(chat, "Use Bash?", Button("Allow", "token-allow"), Button("Deny", "token-deny"))
    taps = await received(chat)
    assert [(tap.token, tap.message_id) for tap in taps if isinstance(tap, Tap)] == [
        ("token-allow", second),
        ("token-run", first),
    ]
    assert len(taps) == 2


async def test_a_number_that_stands_on_no_button_is_no_prompt() -> None:
    """A slip of the finger, or a button that went away meanwhile, costs nothing and is told; with a word it is a prompt."""
    out = io.StringIO()
    chat = ConsoleChat(out=out, stdin=piped(b"7\n7 tests\n"))
    await shows(chat, "Run it?", RUN, NO)
    assert await received(chat) == [Message(THREAD, PERSON, "7 tests")]
    assert "There is no [7]." in out.getvalue()


async def test_numbers_begin_anew_when_nothing_is_open() -> None:
    """A question that was answered gives its numbers back."""
    chat = ConsoleChat(out=io.StringIO())
    first = await shows(chat, "Run it?", RUN, NO)
    await shows(chat, "Running", edits=first)
    await shows(chat, "Go on?", RUN)
    assert chat.conversation.open[0].keys == ((1, RUN),)


async def test_keys_and_ids_differ_from_those_of_an_earlier_start() -> None:
    """The inbox and the outbox outlive the process: nothing gets a name that was used before."""
    names: set[str] = set()
    for start in (1_000, 2_000):
        chat = ConsoleChat(out=io.StringIO(), stdin=piped(b"a\nb\n"), now_ms=lambda start=start: start)

        async def accept(updates: Sequence[tuple[str, str]]) -> None:
            [(key, _)] = updates
            names.add(key)

        await chat.receive(accept)
        names.add(await shows(chat, "hello"))
    assert len(names) == 6


async def test_a_message_of_an_earlier_start_is_drawn_anew() -> None:
    """An edit of what an earlier process showed is shown under the old name; a name that never was is refused."""
    chat = ConsoleChat(out=io.StringIO(), now_ms=lambda: 2_000)
    assert await shows(chat, "Interrupted", edits="1000-7") == "1000-7"
    [body] = chat.compose("x", ())
    assert isinstance(await chat.deliver(Post(1, THREAD, "r", body, edits="message 7")), Rejected)


@pytest.mark.parametrize("payload", ['{"text": 5}', '{"token": "t"}', '{"text": null}'])
def test_a_payload_of_another_shape_is_unreadable(payload: str) -> None:
    """Poison is named so."""
    with pytest.raises(UnreadableError):
        ConsoleChat(out=io.StringIO()).read(payload)


def test_a_code_block_goes_on_in_the_next_part() -> None:
    """A long text is cut between lines, and both parts of a code block are code."""
    text = "```\n" + "\n".join(f"line {n}" for n in range(1_000)) + "\n```"
    parts = split(text)
    assert len(parts) > 1
    assert all(len(part) <= CHARACTERS_MAX + 4 and part.count("```") == 2 for part in parts)
    assert re.findall(r"line \d+", "\n".join(parts)) == [f"line {n}" for n in range(1_000)]


# ------------------------------------------------------------------------------------------------------------- the keys
def typed(editor: Editor, keys: str) -> list[object]:
    """What these keys bring about."""
    return list(editor.feed(keys))


def test_keys_edit_the_line() -> None:
    """Backspace, Ctrl-U and Ctrl-W delete; arrows and other sequences do nothing; Enter enters."""
    editor = Editor(lambda _key: False)
    assert typed(editor, "ab\x7f") == [Typed("a"), Typed("ab"), Typed("a")]
    assert typed(editor, "\x1b[A\x1bOP\x1b[1;5Cx")[-1] == Typed("ax")
    assert typed(editor, "\x15fix the tset\x17test\n")[-2:] == [Typed("fix thetest"), Entered("fix thetest")]
    assert typed(editor, "é\r") == [Typed("é"), Entered("é")]
    assert typed(editor, "\x07") == []


def test_a_single_key_presses_only_on_an_empty_line() -> None:
    """A digit on an empty line is a press while there is such a button; within text it is text."""
    editor = Editor(lambda key: key == "1")
    assert typed(editor, "1") == [Entered("1")]
    assert typed(editor, "2") == [Typed("2")]
    assert typed(editor, "1\n") == [Typed("21"), Entered("21")]


def test_a_pasted_text_keeps_its_lines() -> None:
    """Line breaks of a paste do not send half of it, and a pasted digit presses nothing."""
    editor = Editor(lambda key: key == "1")
    assert typed(editor, "\x1b[200~1. this\r2. that\x1b[201~")[-1] == Typed("1. this\n2. that")
    assert typed(editor, "\r") == [Entered("1. this\n2. that")]


def test_the_line_has_a_limit() -> None:
    """A paste without end is cut instead of eating memory."""
    editor = Editor(lambda _key: False)
    typed(editor, "x" * (LINE_CHARACTERS_MAX + 10))
    assert len(editor.text) == LINE_CHARACTERS_MAX


def test_ctrl_d_ends_only_on_an_empty_line() -> None:
    """The end of input is not typed by accident in mid-line."""
    editor = Editor(lambda _key: False)
    assert typed(editor, "a\x04") == [Typed("a")]
    assert typed(editor, "\x15\x04")[-1] == Ended()


async def test_a_terminal_gives_single_keys_and_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one key answers a question; afterwards the terminal echoes and edits lines again."""
    monkeypatch.setenv("TERM", "xterm")
    keyboard, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    with os.fdopen(terminal, "w", closefd=False) as out:
        chat = ConsoleChat(out=out, stdin=terminal, width=80)
        message_id = await shows(chat, "Run it?", RUN, NO)
        got: list[Incoming] = []

        async def accept(updates: Sequence[tuple[str, str]]) -> None:
            [(_, payload)] = updates
            assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            got.append(chat.read(payload))
            os.write(keyboard, b"thanks\n" if len(got) == 1 else b"\x04")

        async with anyio.create_task_group() as crew:
            crew.start_soon(chat.receive, accept)
            await anyio.wait_all_tasks_blocked()
            os.write(keyboard, b"2")
    [tap, thanks] = got
    assert isinstance(tap, Tap)
    assert (tap.token, tap.message_id) == (NO.token, message_id)
    assert thanks == Message(THREAD, PERSON, "thanks")
    assert termios.tcgetattr(terminal) == before
    os.close(keyboard)
    os.close(terminal)


# ------------------------------------------------------------------------------------------------------------ the screen
class Terminal(io.StringIO):
    """Eighty columns and some rows that understand what the console writes: enough of a terminal to look at the result."""

    def __init__(self, rows: int = 40) -> None:
        super().__init__()
        self.rows = rows
        self.columns = 80
        self.bells = 0
        self._lines = [""]
        self._row = 0
        self._column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\n\r\a]|[^\x1b\n\r\a]+", text):
            self._take(part)
        return len(text)

    def _take(self, part: str) -> None:
        if part == "\n":
            self._row += 1
            self._column = 0
            self._lines += [""] * (self._row + 1 - len(self._lines))
        elif part == "\r":
            self._column = 0
        elif part == "\a":
            self.bells += 1
        elif part == "\x1b[J":
            self._lines = [*self._lines[: self._row], self._lines[self._row][: self._column]]
        elif part.startswith("\x1b["):
            count = int(re.sub(r"\D", "", part) or 1)
            if part.endswith("A"):
                assert count <= self._row
                assert count < self.rows, "a terminal cannot go above its first row"
                self._row -= count
            elif part.endswith("D"):
                self._column -= count
            else:
                assert part.endswith(("m", "h", "l")), f"the fake does not know {part!r}"
        else:
            line = self._lines[self._row].ljust(self._column)
            self._lines[self._row] = line[: self._column] + part + line[self._column + len(part) :]
            self._column += len(part)
            assert cell_len(self._lines[self._row]) < self.columns, "a line wraps"

    def shrinks(self, columns: int) -> None:
        """The window gets narrower, and lines that are too long for it go on in the next row, as in most terminals."""
        rows: list[str] = []
        for number, line in enumerate(self._lines):
            if number == self._row:
                self._row, self._column = len(rows) + self._column // columns, self._column % columns
            rows += [line[at : at + columns] for at in range(0, max(1, len(line)), columns)]
        self._lines, self.columns = rows, columns

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines).rstrip("\n")


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns and 24 rows."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal(24)


async def test_a_question_shows_its_buttons_with_their_keys() -> None:
    """What the reader of a plain output sees."""
    out = io.StringIO()
    await shows(ConsoleChat(out=out, width=80), "**Fix it**\nAbout $0.90.", RUN, NO)
    assert out.getvalue() == (
        "╭───────────────────────────────╮\n"
        "│ Fix it                        │\n"
        "│ About $0.90.                  │\n"
        "│                               │\n"
        "│ [1] Run, up to $0.20   [2] No │\n"
        "╰───────────────────────────────╯\n"
    )


async def test_an_edit_on_a_terminal_redraws_in_place(on_terminal: Terminal) -> None:
    """The message changes where it stands, what stands below it stays, and the typed line too."""
    chat = ConsoleChat(out=on_terminal)
    status = await shows(chat, "Working · 0 s")
    await shows(chat, "An answer.")
    await shows(chat, "Working · 3 s\n▸ Read a.py\n▸ Edit b.py", edits=status)
    assert on_terminal.text == (
        "╭───────────────╮\n"
        "│ Working · 3 s │\n"
        "│ ▸ Read a.py   │\n"
        "│ ▸ Edit b.py   │\n"
        "╰───────────────╯\n"
        "╭────────────╮\n"
        "│ An answer. │\n"
        "╰────────────╯"
    )


async def test_an_edit_of_what_was_scrolled_away_tells_what_is_new(on_terminal: Terminal) -> None:
    """A message above the first row cannot be redrawn: its new lines follow instead, once each."""
    chat = ConsoleChat(out=on_terminal)
    status = await shows(chat, "Working · 0 s")
    for number in range(9):
        await shows(chat, f"Answer {number}")
    before = on_terminal.text
    await shows(chat, "Working · 3 s\n▸ Read a.py", edits=status)
    await shows(chat, "Working · 4 s\n▸ Read a.py", edits=status)
    await shows(chat, "Done · 2 calls · 5 s", edits=status)
    assert on_terminal.text.removeprefix(before) == "\n  ▸ Read a.py\n  Done · 2 calls · 5 s"


async def test_a_plain_output_prints_every_change_once() -> None:
    """Without a terminal nothing is printed twice and no control code appears; a first line that counts on is no news."""
    out = io.StringIO()
    chat = ConsoleChat(out=out, width=80)
    status = await shows(chat, "Working · 0 s · $0.00")
    for text in (
        "Working · 1 s · $0.10\n▸ Read a.py",
        "Working · 2 s · $0.20\n▸ Read a.py\n▸ Edit b.py",
        "Done · 2 calls",
    ):
        await shows(chat, text, edits=status)
        await shows(chat, text, edits=status)
    await chat.typing(THREAD)
    assert out.getvalue().splitlines()[3:] == ["  ▸ Read a.py", "  ▸ Edit b.py", "  Done · 2 calls"]
    assert "\x1b" not in out.getvalue()


async def test_typing_is_shown_at_the_input_line_until_the_next_message(on_terminal: Terminal) -> None:
    """While the agent works the empty line says so, and stops saying so when something arrives."""
    keyboard, terminal = os.openpty()
    chat = ConsoleChat(out=on_terminal, stdin=terminal)

    async def accept(_updates: object) -> None:
        raise AssertionError("nothing was typed")

    async with anyio.create_task_group() as crew:
        crew.start_soon(chat.receive, accept)
        await anyio.wait_all_tasks_blocked()
        await chat.typing(THREAD)
        assert on_terminal.text == "> … working"
        await shows(chat, "Done")
        assert on_terminal.text.splitlines()[-1].rstrip() == ">"
        os.write(keyboard, b"hello")
        while "hello" not in on_terminal.text:
            await anyio.lowlevel.checkpoint()
        crew.cancel_scope.cancel()
    os.close(keyboard)
    os.close(terminal)


async def test_a_line_that_is_typed_stays_one_line_when_the_terminal_shrinks(
    on_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that it wrapped into are drawn over, not left behind at every key, and what stands above them stays."""
    keyboard, terminal = os.openpty()
    chat = ConsoleChat(out=on_terminal, stdin=terminal)
    await shows(chat, "An answer.")
    before = on_terminal.text

    async def accept(_updates: object) -> None:
        raise AssertionError("nothing was entered")

    async def types(keys: str, seen: str) -> None:
        os.write(keyboard, keys.encode())
        with anyio.fail_after(30):
            while not on_terminal.text.endswith(seen):
                await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as crew:
        crew.start_soon(chat.receive, accept)
        await anyio.wait_all_tasks_blocked()
        await types("x" * 70, "x" * 70)
        on_terminal.shrinks(40)
        monkeypatch.setenv("COLUMNS", "40")
        for key in "abc":
            await types(key, key)
        assert on_terminal.text == f"{before}\n> {'x' * 33}abc"
        await shows(chat, "Another.")
        assert on_terminal.text.splitlines()[-1] == f"> {'x' * 33}abc"
        crew.cancel_scope.cancel()
    os.close(keyboard)
    os.close(terminal)


async def test_an_introduction_is_wrapped_at_words(on_terminal: Terminal) -> None:
    """However wide the terminal, no word of it is cut."""
    ConsoleChat(out=on_terminal).introduce(HINT)
    assert on_terminal.text.split() == HINT.split()
    assert max(map(len, on_terminal.text.splitlines())) < 80


async def test_what_rings_rings(on_terminal: Terminal) -> None:
    """A message that is to be noticed sounds the terminal's bell, once."""
    chat = ConsoleChat(out=on_terminal)
    [body] = chat.compose("Paused", ())
    await chat.deliver(Post(1, THREAD, "r", body, ring=True))
    await shows(chat, "quiet")
    assert on_terminal.bells == 1


async def test_markdown_keeps_line_breaks_and_what_looks_like_html() -> None:
    """A line break is one, Vec<u8> stays whole, and code is not eaten."""
    out = io.StringIO()
    text = "one\ntwo with Vec<u8>\n\n<div>block</div>\n\n```rust\nlet v: Vec<u8>;\n```"
    await shows(ConsoleChat(out=out, width=80), text)
    lines = [line.strip("│ ") for line in out.getvalue().splitlines()]
    assert [line for line in lines[1:-1] if line] == ["one", "two with Vec<u8>", "<div>block</div>", "let v: Vec<u8>;"]


async def test_long_lines_and_many_buttons_fit_eighty_columns(on_terminal: Terminal) -> None:
    """Nothing wraps by itself, so that the cursor finds its way back."""
    chat = ConsoleChat(out=on_terminal)
    buttons = [Button(f"A label of some length {n}", f"t{n}") for n in range(4)]
    message_id = await shows(chat, "word " * 60 + "x" * 200 + " 漢字" * 40, *buttons)
    await shows(chat, "short", edits=message_id)
    assert on_terminal.text == "╭───────╮\n│ short │\n╰───────╯"


# ------------------------------------------------------------------------------------------------------------ the player
async def test_the_player_waits_for_what_it_answers() -> None:
    """It presses when the button is there, waits for words that came after, and then the input ends."""
    out = io.StringIO()
    player = Player([Write("Fix it"), Press("run"), Await(r"\$0\.\d+"), Press("No")])
    chat = ConsoleChat(player, out=out, width=80)
    await shows(chat, "an old amount: $0.10")
    got: list[Incoming] = []

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        [(_, payload)] = updates
        got.append(event := chat.read(payload))
        match event:
            case Message():
                await shows(chat, "Run it?", RUN)
            case Tap(token=RUN.token, message_id=message_id):
                await shows(chat, "Running.", edits=message_id)
                await shows(chat, "It cost $0.42.")
                await shows(chat, "More?", NO)
            case _:
                assert isinstance(event, Tap)

    with anyio.fail_after(30):
        await chat.receive(accept)
    assert [type(event) for event in got] == [Message, Tap, Tap]
    assert "Run, up to $0.20" in out.getvalue()


async def test_the_player_presses_no_button_twice() -> None:
    """A question that still stands there after its answer is not answered again: the next one is waited for."""
    chat = ConsoleChat(Player([Press("Allow"), Press("Allow")]), out=io.StringIO())
    await shows(chat, "first", Button("Allow", "token-1"))
    taps: list[Incoming] = []

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        [(_, payload)] = updates
        taps.append(chat.read(payload))
        if len(taps) == 1:
            await shows(chat, "second", Button("Allow", "token-2"))

    with anyio.fail_after(30):
        await chat.receive(accept)
    assert [tap.token for tap in taps if isinstance(tap, Tap)] == ["token-1", "token-2"]


@pytest.mark.parametrize("move", [Press("Raise"), Await("Paused")])
async def test_a_player_that_waits_in_vain_says_for_what(move: Press | Await) -> None:
    """The demo fails with what was missing and what was there instead, and does not hang."""
    chat = ConsoleChat(Player([move], patience_s=0.01), out=io.StringIO())
    await shows(chat, "Run it?", RUN)
    with pytest.raises(PlayerStuckError, match=r"waited 0\.01 s for .*'Run it\?' with \['Run, up to \$0\.20'\]"):
        await received(chat)


async def test_the_player_hesitates_as_long_as_it_is_told() -> None:
    """A pause before each thing it types or presses, and none for what it waits for."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    chat = ConsoleChat(Player([Write("a"), Press("Run"), Await("Run")], pause_s=0.7, sleep=sleep), out=io.StringIO())
    await shows(chat, "Run it?", RUN)

    async def accept(updates: Sequence[tuple[str, str]]) -> None:
        [(_, payload)] = updates
        if isinstance(chat.read(payload), Tap):
            await shows(chat, "Running")

    await chat.receive(accept)
    assert slept == [0.7, 0.7]


def test_old_messages_are_forgotten() -> None:
    """The chat remembers a limited number of messages, the newest ones."""
    chat = Conversation()
    for number in range(600):
        chat.put(str(number), "text", ())
    assert [chat.messages[0].message_id, chat.messages[-1].message_id, len(chat.messages)] == ["100", "599", 500]
