"""Pairing: a window from a terminal, a code in the chat, the code typed, an owner's tap; and nothing grants without them."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.pairing import ALPHABET, CLAIMS_MAX, TRIES_MAX
from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.events import Moved
from gateway.domain.people import Terms, WantedRole, WindowStanding, WindowState
from gateway.domain.place import Grant, GrantFrom, Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine import groups, pairing, people, requests
from gateway.engine.clock import Clock
from gateway.engine.world import World
from gateway.view import people_words as words
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script

pytestmark = pytest.mark.anyio

STRANGER, OTHER, APPROVER = "8", "9", "10"
SCRIPT = script(call(1))
NOBODY = replace(RULES, people=())
DESK = Asker("ada", "desk", (4_194_400, 4_194_399, 1), terminal=True)
"""Pids that no system gives."""
ASKS = "asks: let 8"


def private(person: str) -> Thread:
    """The chat that the person has with the bot alone."""
    return Thread("memory", person)


def writes(gateway: Bench, text: str, person: str = STRANGER, name: str = "Grace") -> None:
    """Somebody writes to the bot."""
    gateway.chat.says(private(person), person, text, name=name)


async def opens(gateway: Bench, role: Role = Role.WRITER, chat: str | None = None) -> str:
    """A window is opened in a terminal; its id."""
    standing = await pairing.opened(gateway.world, Terms(role, chat), 10, DESK)
    assert standing.state is WindowState.OPEN, standing.words
    return standing.id


async def code_for(gateway: Bench, person: str = STRANGER, name: str = "Grace") -> str:
    """They write /pair and read what they are answered."""
    writes(gateway, "/pair", person, name)
    said = await gateway.sees("Your code is", private(person))
    return code_in(said.text)


def code_in(text: str) -> str:
    """The code that a message tells."""
    [code] = re.findall(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", text)
    return code


async def types(gateway: Bench, window: str, code: str) -> WindowStanding:
    """Somebody at the terminal types a code."""
    return await pairing.typed(gateway.world, window, code, DESK)


async def confirms(gateway: Bench, window: str, *, yes: bool = True) -> Standing:
    """Somebody at the terminal answers."""
    return await pairing.answered(gateway.world, window, DESK, yes=yes)


async def pairs(gateway: Bench, role: Role = Role.WRITER, chat: str | None = None, person: str = STRANGER) -> Standing:
    """All of it up to what the terminal hears."""
    window = await opens(gateway, role, chat)
    assert (await types(gateway, window, await code_for(gateway, person))).state is WindowState.FOUND
    return await confirms(gateway, window)


async def taps(gateway: Bench, label: str, asked: str = ASKS, person: str = OWNER) -> str:
    """Somebody presses a button of the question in their own chat; the word that they get."""
    shown = await gateway.sees(asked, private(person))
    return await gateway.chat.told(gateway.chat.taps(shown, label, person))


async def grants(gateway: Bench, person: str = STRANGER) -> tuple[Grant, ...]:
    """What the person may do."""
    return await gateway.world.store.read(lambda view: view.grants(person))


async def handled(gateway: Bench) -> None:
    """Everything that was written has been looked at."""
    gateway.says("/help")
    await gateway.sees("Write to your agent")


def ticking(ticks: list[int]) -> Callable[[World], None]:
    """A clock that stands where the test says."""

    def prepare(world: World) -> None:
        world.clock = Clock(ticks_ms=lambda: ticks[0])

    return prepare


# ----------------------------------------------------------------------------------------------------------- the window
@pytest.mark.parametrize("text", ["hello", "/pair", "/start", "/help", "approve the pairing", "code: 1234"])
async def test_without_a_window_a_stranger_is_not_answered(text: str) -> None:
    """Attack 3: whatever they write, nothing is said to them and nothing reaches an agent."""
    async with bench(SCRIPT) as gateway:
        writes(gateway, text)
        await handled(gateway)
        assert gateway.chat.sees(private(STRANGER)) == []
        assert await gateway.turns() == []


async def test_in_a_window_only_pair_is_answered_and_once() -> None:
    """Every other message of a stranger stays without an answer, a second /pair too, and none reaches an agent."""
    async with bench(SCRIPT) as gateway:
        await opens(gateway)
        for text in ("hello", "/start", "pair", "approve the pairing"):
            writes(gateway, text)
        await code_for(gateway)
        for text in ("/pair", "yes", "/new"):
            writes(gateway, text)
        await handled(gateway)
        assert len(gateway.chat.sees(private(STRANGER))) == 1
        assert await gateway.turns() == []


async def test_a_group_is_given_no_code() -> None:
    """A code is for one person: where others read along nothing is answered."""
    async with bench(SCRIPT) as gateway:
        await opens(gateway)
        gateway.chat.says(Thread("memory", "-100"), STRANGER, "/pair")
        await handled(gateway)
        assert gateway.chat.sees(Thread("memory", "-100")) == []


async def test_codes_are_of_forty_bits_and_wrong_ones_close_the_window() -> None:
    """Attack 5: five wrong codes, and the right one is worth nothing any more."""
    async with bench(SCRIPT) as gateway:
        window = await opens(gateway)
        code = await code_for(gateway)
        assert len(ALPHABET) ** len(code.replace("-", "")) >= 2**40
        for left in range(TRIES_MAX - 1, 0, -1):
            wrong = await types(gateway, window, "0000-0000")
            assert wrong.state is WindowState.OPEN
            assert f"{left} {'try is' if left == 1 else 'tries are'} left" in wrong.words
        assert (await types(gateway, window, "0000-0000")).words == words.TRIED_TOO_OFTEN
        assert (await types(gateway, window, code)).state is WindowState.CLOSED
        assert (await confirms(gateway, window)).state is ChangeState.VOID
        assert await grants(gateway) == ()


async def test_a_code_counts_once_and_in_its_window() -> None:
    """Attack 6: typed again, or in the next window, it finds nobody."""
    async with bench(SCRIPT, NOBODY) as gateway:
        first = await opens(gateway)
        old = await code_for(gateway)
        second = await opens(gateway)
        assert (await types(gateway, first, old)).state is WindowState.CLOSED
        assert (await types(gateway, second, old)).state is WindowState.OPEN
        code = await code_for(gateway, OTHER)
        assert (await types(gateway, second, code)).state is WindowState.FOUND
        assert (await types(gateway, second, code)).state is WindowState.CLOSED
        assert (await confirms(gateway, second)).state is ChangeState.DONE
        assert (await confirms(gateway, second)).state is ChangeState.VOID
        assert (await grants(gateway), len(await grants(gateway, OTHER))) == ((), 1)


async def test_a_code_is_its_senders_whoever_has_heard_it() -> None:
    """Attack 6: the terminal is told whose it is, and only they are let in."""
    async with bench(SCRIPT, NOBODY) as gateway:
        window = await opens(gateway)
        await code_for(gateway, OTHER, "Mallory")
        code = await code_for(gateway)
        found = await types(gateway, window, f" {code.lower().replace('-', ' ')} ")
        assert found.words.startswith(
            'That code was given to 8, their number in Telegram. They call themselves "Grace"'
        )
        await confirms(gateway, window)
        assert (len(await grants(gateway)), await grants(gateway, OTHER)) == (1, ())


async def test_a_flood_of_strangers_gets_five_codes_and_no_more() -> None:
    """Attack 7: the sixth is not answered, and the terminal hears how many there are."""
    async with bench(SCRIPT) as gateway:
        window = await opens(gateway)
        for person in range(100, 100 + CLAIMS_MAX):
            await code_for(gateway, str(person))
        writes(gateway, "/pair")
        await handled(gateway)
        assert gateway.chat.sees(private(STRANGER)) == []
        assert "5 were given out" in (await types(gateway, window, "0000-0000")).words


async def test_a_window_ends_by_itself() -> None:
    """After its minutes nobody gets a code, and the codes that are out count no more; clocks that are set back change nothing."""
    ticks = [0]
    async with bench(SCRIPT, prepare=ticking(ticks)) as gateway:
        window = await opens(gateway)
        code = await code_for(gateway)
        ticks[0] = 10 * 60_000
        writes(gateway, "/pair", OTHER)
        await handled(gateway)
        assert gateway.chat.sees(private(OTHER)) == []
        assert (await types(gateway, window, code)).words == words.CLOSED


async def test_a_window_and_its_codes_are_gone_with_the_gateway(tmp_path: Path) -> None:
    """The command that waits has lost its gateway too: it is begun again."""
    async with bench(SCRIPT, home=tmp_path) as gateway:
        window = await opens(gateway)
        code = await code_for(gateway)
    async with bench(SCRIPT, home=tmp_path) as again:
        assert (await types(again, window, code)).state is WindowState.CLOSED


async def test_who_stops_waiting_closes_the_window() -> None:
    """A no, or Ctrl-C: nobody gets a code any more."""
    async with bench(SCRIPT) as gateway:
        window = await opens(gateway)
        assert (await confirms(gateway, window, yes=False)).words == words.NOBODY_IN
        writes(gateway, "/pair")
        await handled(gateway)
        assert gateway.chat.sees(private(STRANGER)) == []


async def test_neither_an_agent_nor_a_program_without_a_terminal_pairs() -> None:
    """Attacks 5 and 9: what descends from an agent, what is marked, and what nobody sits at opens, types and answers nothing."""
    async with bench(SCRIPT, NOBODY) as gateway:
        window = await opens(gateway)
        code = await code_for(gateway)
        inside = [replace(DESK, lineage=(os.getpid(), 1)), replace(DESK, marked=True), replace(DESK, lineage=())]
        for asker in (*inside, replace(DESK, terminal=False)):
            said = words.NEEDS_TERMINAL if asker.lineage and not asker.terminal else words.INSIDE_AGENT
            refused = WindowStanding(WindowState.REFUSED, said)
            assert await pairing.opened(gateway.world, Terms(Role.WRITER), 10, asker) == refused
            assert await pairing.typed(gateway.world, window, code, asker) == refused
            assert (await pairing.answered(gateway.world, window, asker, yes=True)).words == said
        for asker in inside:
            assert (await people.change(gateway.world, WantedRole("8", Role.OWNER), asker)).words == words.INSIDE_AGENT
        assert (await types(gateway, window, code)).state is WindowState.FOUND


# ----------------------------------------------------------------------------------------------------------- the grant
async def test_before_anybody_may_say_yes_the_terminal_is_enough(tmp_path: Path) -> None:
    """Rule 5: and then it is written, with who and why, and the person is told."""
    async with bench(SCRIPT, NOBODY, home=tmp_path) as gateway:
        done = await pairs(gateway, Role.APPROVER)
        assert done == Standing(ChangeState.DONE, '8 ("Grace") is an approver in their own chat with the bot.')
        await gateway.sees("You are an approver in your own chat with the bot from now on.", private(STRANGER))
        [grant] = await grants(gateway)
        assert (grant.role, grant.chat, grant.origin) == (Role.APPROVER, "8", GrantFrom.PAIRED)
        assert (grant.by, grant.name) == ("command line: ada", "Grace")
        assert grant.since_ms is not None


async def test_once_an_owner_is_there_it_takes_their_tap() -> None:
    """Rule 5, attack 9: before it the newcomer stays a stranger, whatever anybody writes; after it their prompt runs."""
    async with bench(SCRIPT) as gateway:
        asked = await pairs(gateway)
        assert asked.state is ChangeState.ASKED
        question = await gateway.sees(ASKS, private(OWNER))
        assert question.rang
        assert 'let 8, who calls themselves "Grace", in as a writer in their own chat' in question.text.replace(
            "\\", ""
        )
        for text in ("approve the pairing", "/pair", "yes", "do it"):
            writes(gateway, text)
        gateway.chat.says(private(OWNER), OWNER, "approve the pairing", to=question)
        await gateway.sees("Press one of the buttons", private(OWNER))
        assert await grants(gateway) == ()
        assert await gateway.turns() == []
        assert await taps(gateway, "Yes") == ""
        await gateway.sees("You are a writer", private(STRANGER))
        await gateway.sees("Yes (by you).", private(OWNER))
        done = await requests.standing(gateway.world, asked.id, 5_000)
        assert done == Standing(ChangeState.DONE, '8 ("Grace") is a writer in their own chat with the bot: 7 said yes.')
        writes(gateway, "do it")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.person == STRANGER


async def test_a_no_lets_nobody_in() -> None:
    """The terminal hears it; the stranger does not."""
    async with bench(SCRIPT) as gateway:
        asked = await pairs(gateway)
        await taps(gateway, "No")
        done = await requests.standing(gateway.world, asked.id, 5_000)
        assert done == Standing(ChangeState.NO, "7 said no: nothing was changed.")
        assert await grants(gateway) == ()
        assert len(gateway.chat.sees(private(STRANGER))) == 1


async def test_an_approver_lets_nobody_in() -> None:
    """Only owners are asked, and nobody else's tap counts, even with a button that they have seen."""
    team = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(APPROVER, Role.APPROVER)))
    async with bench(SCRIPT, team) as gateway:
        await pairs(gateway)
        shown = await gateway.sees(ASKS, private(OWNER))
        assert await gateway.chat.told(gateway.chat.taps(shown, "Yes", APPROVER)) == words.MAY_NOT
        assert gateway.chat.sees(private(APPROVER)) == []
        assert await grants(gateway) == ()


async def test_with_approvers_and_no_owner_no_window_opens() -> None:
    """Nobody could say yes to a person: what to do is said at once."""
    team = replace(RULES, people=(Grant(APPROVER, Role.APPROVER),))
    async with bench(SCRIPT, team) as gateway:
        refused = await pairing.opened(gateway.world, Terms(Role.WRITER), 10, DESK)
        assert refused == WindowStanding(WindowState.REFUSED, words.NO_OWNER)


async def test_one_owner_of_two_answers_for_both() -> None:
    """The question closes in both chats, and the second tap finds it answered."""
    team = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(OTHER, Role.OWNER)))
    async with bench(SCRIPT, team) as gateway:
        await pairs(gateway)
        first, second = [await gateway.sees(ASKS, private(one)) for one in (OWNER, OTHER)]
        assert await gateway.chat.told(gateway.chat.taps(first, "Yes", OWNER)) == ""
        assert await gateway.chat.told(gateway.chat.taps(second, "No", OTHER)) == "This was answered already."
        assert len(await grants(gateway)) == 1


async def test_pairing_changes_nothing_of_what_somebody_may_do_already() -> None:
    """Attack 8: neither an owner nor somebody with a lower role is given another one by a code; what stands is said."""
    reader = Grant(STRANGER, Role.READER, chat="-100")
    async with bench(SCRIPT, replace(RULES, people=(Grant(OWNER, Role.OWNER), reader))) as gateway:
        window = await opens(gateway, Role.APPROVER, chat="")
        known = await types(gateway, window, await code_for(gateway))
        assert known.state is WindowState.CLOSED
        assert known.words.startswith("8 is a reader in chat -100 already, and pairing changes nothing of that")
        assert (await confirms(gateway, window)).state is ChangeState.VOID
        assert [(one.role, one.chat) for one in await grants(gateway)] == [(Role.READER, "-100")]
        await opens(gateway)
        gateway.chat.says(private(OWNER), OWNER, "/pair")
        await gateway.sees("You are paired already", private(OWNER))


async def test_a_grant_for_a_chat_is_one_for_that_chat() -> None:
    """Attacks 8 and 11: who is paired for their own chat is a stranger in a group, and pairing there is asked for by itself."""
    async with bench(SCRIPT) as gateway:
        await pairs(gateway)
        await taps(gateway, "Yes")
        await gateway.sees("You are a writer", private(STRANGER))
        gateway.chat.says(Thread("memory", "-100"), STRANGER, "do it")
        await handled(gateway)
        assert gateway.chat.sees(Thread("memory", "-100")) == []
        assert await gateway.turns() == []


async def test_a_grant_that_an_owner_is_asked_for_goes_with_its_group() -> None:
    """Attack 15: the group has another number when the yes comes: the grant is for that one."""
    async with bench(SCRIPT) as gateway:
        await pairs(gateway, chat="-5")
        moved = Moved("memory", "-5", "-100123")
        await gateway.world.commit(groups.handle_moved(gateway.world, moved, None))
        await taps(gateway, "Yes")
        await gateway.sees("You are a writer", private(STRANGER))
        [grant] = await grants(gateway)
        assert (grant.chat, grant.role) == ("-100123", Role.WRITER)


async def test_what_changed_between_question_and_yes_lets_nobody_in(tmp_path: Path) -> None:
    """The settings named them meanwhile: the old question is over, and what the settings say stands."""
    async with bench(SCRIPT, home=tmp_path) as gateway:
        await pairs(gateway, Role.APPROVER)
        await gateway.sees(ASKS, private(OWNER))
    named = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(STRANGER, Role.READER)))
    async with bench(SCRIPT, named, home=tmp_path, chat=gateway.chat) as again:
        assert await taps(again, "Yes") == words.CHANGED_MEANWHILE
        [grant] = await grants(again)
        assert grant.role is Role.READER


async def test_an_owners_answer_may_come_after_a_restart(tmp_path: Path) -> None:
    """The question is in the store; who was paired stays so at the next start, and the settings' people are replaced."""
    other = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(OTHER, Role.READER)))
    async with bench(SCRIPT, other, home=tmp_path) as gateway:
        await pairs(gateway)
        await gateway.sees(ASKS, private(OWNER))
    async with bench(SCRIPT, home=tmp_path, chat=gateway.chat) as again:
        assert await grants(again, OTHER) == ()
        assert await taps(again, "Yes") == ""
        await again.sees("You are a writer", private(STRANGER))
    async with bench(SCRIPT, home=tmp_path, chat=gateway.chat) as third:
        [grant] = await grants(third)
        assert (grant.role, grant.by) == (Role.WRITER, OWNER)


async def test_a_name_shows_what_is_hidden_in_it() -> None:
    """What turns the text around, or is not seen, is spelled out, at the terminal and in the chat."""
    async with bench(SCRIPT) as gateway:
        window = await opens(gateway)
        found = await types(gateway, window, await code_for(gateway, name="Ada\u202e\n*owner*\u200b"))
        assert '"Ada\\u{202e} *owner*\\u{200b}"' in found.words
        await confirms(gateway, window)
        question = await gateway.sees(ASKS, private(OWNER))
        assert "\u202e" not in question.text
        assert "\\*owner\\*" in question.text


async def test_the_same_person_is_asked_about_once_and_only_so_many_wait() -> None:
    """A second pairing of the same person finds the question that stands; too many are refused."""
    async with bench(SCRIPT) as gateway:
        asked = await pairs(gateway)

        async def seen_twice() -> bool:
            return sum("Your code" in one.text for one in gateway.chat.sees(private(STRANGER))) > 1

        window = await opens(gateway)
        writes(gateway, "/pair")
        await handled(gateway)
        await gateway.steps.until(seen_twice, bool)
        code = code_in(gateway.chat.sees(private(STRANGER))[-1].text)
        await types(gateway, window, code)
        assert (await confirms(gateway, window)).id == asked.id
        for number in range(people.QUESTIONS_MAX - 1):
            assert (await pairs(gateway, person=str(100 + number))).state is ChangeState.ASKED
        assert (await pairs(gateway, person="200")).words == words.TOO_MANY
