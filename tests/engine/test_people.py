"""Roles changed from this machine: what narrows counts at once and is said, what widens takes an owner's tap, settings are changed in the settings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.core.turn import ENDED
from gateway.domain.budget import EntryKind
from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.money import Usd
from gateway.domain.people import WantedRole
from gateway.domain.place import Grant, GrantFrom, Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine import people, requests
from gateway.engine.world import World
from gateway.ports import Decision
from gateway.store import open_readonly
from gateway.view import people_words as words
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

WRITER, APPROVER, READER, SECOND = "8", "10", "9", "11"
SCRIPT = script(call(1))
DESK = Asker("ada", "desk", (4_194_400, 4_194_399, 1), terminal=True)
CRON = replace(DESK, terminal=False)
TEAM = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(READER, Role.READER)))
PAIRED = (
    Grant(WRITER, Role.WRITER, WRITER, origin=GrantFrom.PAIRED, name="Grace"),
    Grant(APPROVER, Role.APPROVER, "", Usd.parse("5"), GrantFrom.PAIRED),
    Grant(SECOND, Role.READER, SECOND, origin=GrantFrom.PAIRED),
    Grant(SECOND, Role.WRITER, "-100", origin=GrantFrom.PAIRED),
)


def private(person: str) -> Thread:
    """The chat that the person has with the bot alone."""
    return Thread("memory", person)


async def paired(gateway: Bench, *more: Grant) -> None:
    """These people were let in before."""
    await gateway.world.commit(lambda view: Decision(None, grants=(*view.all_grants(), *PAIRED, *more)))


async def wants(gateway: Bench, person: str, role: Role | None, asker: Asker = DESK, **more: Any) -> Standing:
    """What the command line hears at once."""
    return await people.change(gateway.world, WantedRole(person, role, **more), asker)


async def roles(gateway: Bench, person: str) -> list[tuple[Role, str, Usd | None]]:
    """What the person may do."""
    found = await gateway.world.store.read(lambda view: view.grants(person))
    return [(one.role, one.chat, one.largest_raise) for one in found]


async def taps(gateway: Bench, asked: str, label: str, person: str = OWNER) -> str:
    """Somebody presses a button in their own chat; the word that they get."""
    shown = await gateway.sees(asked, private(person))
    return await gateway.chat.told(gateway.chat.taps(shown, label, person))


async def ledger(home: Path) -> list[tuple[str, str, str | None, str | None]]:
    """(who, why, role before, role after) of every change of grants."""

    def look() -> list[tuple[str, str, str | None, str | None]]:
        with open_readonly(home) as reader:
            found = [one.entry for one in reader.records() if one.entry.kind is EntryKind.GRANT]
            assert reader.verify() == ()
        sides = [[json.loads(one.detail)[side] for side in ("before", "after")] for one in found]
        return [
            (one.who, one.why, before and before["role"], after and after["role"])
            for one, (before, after) in zip(found, sides, strict=True)
        ]

    return await anyio.to_thread.run_sync(look)


async def test_who_is_taken_out_may_do_nothing_at_once(tmp_path: Path) -> None:
    """It needs no terminal; approvers hear of it, and the ledger says who and why."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        await paired(gateway)
        done = await wants(gateway, WRITER, None, CRON)
        assert done == Standing(ChangeState.DONE, 'That is taken from 8 ("Grace"): they may do nothing there any more.')
        for person in (OWNER, APPROVER):
            said = await gateway.sees("took this away", private(person))
            assert '8 ("Grace") is a writer in their own chat with the bot no longer.' in said.text
        gateway.chat.says(private(WRITER), WRITER, "do it")
        gateway.says("/help")
        await gateway.sees("Write to your agent")
        assert gateway.chat.sees(private(WRITER)) == []
        assert await gateway.turns() == []
    entries = await ledger(tmp_path)
    assert ("command line: ada", "taken away by the command line on desk (ada)", "writer", None) in entries
    assert ("settings", "by the settings, at the start", None, "owner") in entries


async def test_taps_of_who_was_taken_out_mean_nothing(tmp_path: Path) -> None:
    """Attack 10: on a button that they got before, looked at when it is pressed."""
    rules = replace(with_limits(session="1", confirm="0.001"), people=TEAM.people)
    async with bench(SCRIPT, rules, home=tmp_path) as gateway:
        await paired(gateway)
        gateway.says("do it")
        asked = await gateway.sees("**do it**")
        assert (await wants(gateway, APPROVER, None)).state is ChangeState.DONE
        assert await gateway.chat.told(gateway.chat.taps(asked, "Run", APPROVER)) == "You may not answer this."
        gateway.chat.taps(asked, "Run", OWNER)
        await gateway.ended(TurnState.FINISHED)


async def test_what_waits_of_who_was_taken_out_does_not_run() -> None:
    """Attack 10: a message that was queued while they might write is not carried out, nor paid for, after that; others' are."""
    lasts, here = anyio.Event(), Thread("memory", "-100")
    rules = replace(TEAM, people=(*TEAM.people, Grant("12", Role.WRITER, here.chat)))
    async with bench(script(call(1, lasts=lasts)), rules) as gateway:
        await paired(gateway)
        gateway.chat.says(here, OWNER, "first")
        await gateway.until(lambda turns: bool(turns) and turns[0].state is TurnState.RUNNING)
        for person, text in ((SECOND, "second"), ("12", "third"), (SECOND, "fourth")):
            gateway.chat.says(here, person, text)
        await gateway.sees("Queued as number 3", here)
        assert (await wants(gateway, SECOND, None, chat=here.chat)).state is ChangeState.DONE
        lasts.set()
        await gateway.sees("Not run: Whoever wrote this may not write here any more.", here)
        turns = await gateway.until(lambda turns: all(turn.state in ENDED for turn in turns))
        ends = {turn.prompt: (turn.state, turn.calls) for turn in turns}
        assert ends["second"] == ends["fourth"] == (TurnState.REFUSED, 0)
        assert ends["first"] == ends["third"] == (TurnState.FINISHED, 1)


async def test_a_lower_role_counts_at_once_and_is_said() -> None:
    """The person hears it too; how much they may raise goes with the role."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway)
        done = await wants(gateway, APPROVER, Role.WRITER, CRON)
        assert done == Standing(ChangeState.DONE, "10 is a writer everywhere.")
        assert await roles(gateway, APPROVER) == [(Role.WRITER, "", None)]
        await gateway.sees("is a writer everywhere, and was an approver everywhere, who raises", private(OWNER))
        await gateway.sees("You are a writer everywhere from now on.", private(APPROVER))
        assert (await wants(gateway, APPROVER, Role.WRITER)).words == "10 is a writer everywhere already."


async def test_a_smaller_raise_narrows_and_a_larger_one_is_asked_about() -> None:
    """Of the same role."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway)
        less = await wants(gateway, APPROVER, Role.APPROVER, CRON, largest_raise=Usd.parse("2"))
        assert less.state is ChangeState.DONE
        more = await wants(gateway, APPROVER, Role.APPROVER, CRON, largest_raise=Usd.parse("3"))
        assert more.state is ChangeState.ASKED
        assert await roles(gateway, APPROVER) == [(Role.APPROVER, "", Usd.parse("2"))]
        await taps(gateway, "at most \\$3.00", "Yes")
        assert await roles(gateway, APPROVER) == [(Role.APPROVER, "", Usd.parse("3"))]


async def test_a_higher_role_takes_an_owners_tap(tmp_path: Path) -> None:
    """Attack 8: before it nothing is different; the ledger knows who said yes and who asked."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        await paired(gateway)
        asked = await wants(gateway, WRITER, Role.OWNER, CRON)
        assert asked.words.startswith("Asked in the chat of 7, and nothing has changed before")
        assert await roles(gateway, WRITER) == [(Role.WRITER, WRITER, None)]
        assert (await wants(gateway, WRITER, Role.OWNER)).id == asked.id
        shown = await gateway.sees("make 8", private(OWNER))
        assert "Until now they are a writer in their own chat with the bot." in shown.text
        await taps(gateway, "make 8", "Yes")
        assert await roles(gateway, WRITER) == [(Role.OWNER, WRITER, None)]
        await gateway.sees("You are an owner", private(WRITER))
        done = await requests.standing(gateway.world, asked.id, 1_000)
        assert done is not None
        assert done.state is ChangeState.DONE
    assert (await ledger(tmp_path))[-1] == (
        OWNER,
        "role changed, asked by the command line on desk (ada)",
        "writer",
        "owner",
    )


async def test_a_role_that_was_lowered_meanwhile_is_not_raised_by_an_older_question() -> None:
    """The question is about what stood when it was asked."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway)
        asked = await wants(gateway, WRITER, Role.APPROVER)
        await wants(gateway, WRITER, None)
        assert await taps(gateway, "make 8", "Yes") == words.CHANGED_MEANWHILE
        assert await roles(gateway, WRITER) == []
        done = await requests.standing(gateway.world, asked.id, 1_000)
        assert done == Standing(ChangeState.VOID, words.CHANGED_MEANWHILE)


async def test_a_question_that_nobody_answers_is_over() -> None:
    """After its time; nothing has changed."""

    def soon(world: World) -> None:
        world.rules = replace(world.rules, approval_ms=0)

    async with bench(SCRIPT, TEAM, prepare=soon) as gateway:
        await paired(gateway)
        asked = await wants(gateway, WRITER, Role.APPROVER)
        await gateway.sees("Nobody answered in time.", private(OWNER))
        done = await requests.standing(gateway.world, asked.id, 1_000)
        assert done == Standing(ChangeState.EXPIRED, "nobody answered in time: nothing was changed.")


async def test_what_the_settings_say_is_changed_in_the_settings() -> None:
    """It would count again at the next start: neither taken away nor changed here."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway, Grant(READER, Role.WRITER, READER, origin=GrantFrom.PAIRED))
        for role in (None, Role.READER, Role.APPROVER):
            refused = await wants(gateway, OWNER, role)
            assert refused.state is ChangeState.REFUSED
            assert "telegram.allowed_users" in refused.words
        assert "[[people]]" in (await wants(gateway, READER, Role.WRITER, chat="")).words
        partly = await wants(gateway, READER, None)
        assert "What the settings give them stays" in partly.words
        assert await roles(gateway, READER) == [(Role.READER, "", None)]


async def test_of_several_chats_the_one_is_named() -> None:
    """A role is changed in one; all are taken away unless one is named; a chat without a role is said."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway)
        assert (await wants(gateway, SECOND, Role.READER)).words == words.which(SECOND, 2)
        assert (await wants(gateway, SECOND, Role.READER, chat="-100")).state is ChangeState.DONE
        assert (await wants(gateway, SECOND, Role.READER, chat="-5")).words == words.nobody(SECOND, "-5")
        assert (await wants(gateway, SECOND, None, chat="")).words == words.nobody(SECOND, "")
        assert (await wants(gateway, "404", None)).words == words.nobody("404", None)
        assert (await wants(gateway, SECOND, None, chat="-100")).state is ChangeState.DONE
        assert await roles(gateway, SECOND) == [(Role.READER, SECOND, None)]


async def test_a_largest_raise_is_for_who_may_raise() -> None:
    """A writer raises nothing."""
    async with bench(SCRIPT, TEAM) as gateway:
        await paired(gateway)
        refused = await wants(gateway, APPROVER, Role.WRITER, largest_raise=Usd.parse("1"))
        assert refused == Standing(ChangeState.REFUSED, words.raises_nothing(Role.WRITER))


async def test_the_last_owner_stays() -> None:
    """Neither taken out nor lowered: or nobody could say yes in the chat, and a terminal would do for everything."""
    async with bench(SCRIPT, replace(RULES, people=())) as gateway:
        only = Grant(OWNER, Role.OWNER, origin=GrantFrom.PAIRED)
        await gateway.world.commit(lambda _view: Decision(None, grants=(only, *PAIRED)))
        for role in (None, Role.READER):
            assert await wants(gateway, OWNER, role) == Standing(ChangeState.REFUSED, words.LAST_OWNER)
        assert await roles(gateway, OWNER) == [(Role.OWNER, "", None)]


async def test_before_anybody_may_say_yes_a_higher_role_takes_a_terminal() -> None:
    """Rule 5."""
    async with bench(SCRIPT, replace(RULES, people=())) as gateway:
        await gateway.world.commit(lambda _view: Decision(None, grants=PAIRED[:1]))
        assert (await wants(gateway, WRITER, Role.APPROVER, CRON)).words == words.NEEDS_TERMINAL
        assert (await wants(gateway, WRITER, Role.APPROVER)).state is ChangeState.DONE
        assert await roles(gateway, WRITER) == [(Role.APPROVER, WRITER, None)]


async def test_the_same_settings_make_no_entry_at_the_next_start(tmp_path: Path) -> None:
    """Only what is different is in the ledger, with the settings as who."""
    for _ in range(2):
        async with bench(SCRIPT, TEAM, home=tmp_path):
            pass
    async with bench(SCRIPT, home=tmp_path):
        pass
    why = "by the settings, at the start"
    assert await ledger(tmp_path) == [
        ("settings", why, None, "owner"),
        ("settings", why, None, "reader"),
        ("settings", why, "reader", None),
    ]


async def test_what_is_at_work_for_who_was_taken_out_is_stopped_and_told_to_approvers_alone() -> None:
    """What it cost stays booked; their own chat hears nothing of it, nor of what waits there; the group's next message runs."""
    lasts, group, alone = anyio.Event(), Thread("memory", "-100"), private(SECOND)
    play = script(call(7), UseTool("Bash", "ls"), call(1, lasts=lasts))
    mine = Grant(SECOND, Role.WRITER, SECOND, origin=GrantFrom.PAIRED)
    async with bench(play, TEAM) as gateway:
        await paired(gateway)
        await gateway.world.commit(
            lambda view: Decision(None, grants=(*(one for one in view.all_grants() if one.chat != SECOND), mine))
        )
        for place in (alone, group):
            gateway.chat.says(place, SECOND, "do it")
            await gateway.sees("Working", place)
        gateway.chat.says(group, SECOND, "and that")
        gateway.chat.says(group, OWNER, "the owner's")
        await gateway.sees("Queued as number 2", group)
        await gateway.until(lambda turns: [turn.calls for turn in turns if turn.state is TurnState.RUNNING] == [1, 1])
        before = len(gateway.chat.sees(alone))
        done = await wants(gateway, SECOND, None)
        assert done.words.endswith("3 turns of theirs were stopped.")
        assert (await gateway.sees("3 turns of theirs were stopped.", private(OWNER))).text.startswith("The command")
        await gateway.until(lambda turns: all(turn.state in ENDED for turn in turns if turn.person == SECOND))
        lasts.set()
        turns = await gateway.until(lambda turns: all(turn.state in ENDED for turn in turns))
        ends = sorted((turn.person, turn.state.value) for turn in turns)
        assert ends == [(SECOND, "refused"), (SECOND, "stopped"), (SECOND, "stopped"), (OWNER, "finished")]
        await gateway.sees("All done.", group)
        assert all(turn.spent >= Usd.parse("0.07") for turn in turns if turn.state is TurnState.STOPPED)
        shown = gateway.chat.sees(alone)
        assert len(shown) == before
        assert not any("topped" in one.text or "All done" in one.text for one in shown)
