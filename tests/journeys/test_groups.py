"""Groups over real HTTP, with several people in them: who is heard, what the bot leaves, and a group that goes by another number."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import pytest

from gateway.agents.scripted import Script
from gateway.chats.memory import MemoryChat
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import TurnState
from gateway.engine import Rules, bounds
from tests.engine.bench import OWNER, Bench, bench, call, script, with_limits
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_group import Group
from tests.fakes.bot_api_phone import Phone, Seen
from tests.journeys.rig import QuickChat

pytestmark = pytest.mark.anyio

TEAM, WIDER = -4001, -1009001
AT = "@tollbridge_test_bot"
WRITER, READER, APPROVER, STRANGER = 8, 9, 10, 666
HERE = str(TEAM)
PEOPLE = (
    Grant(OWNER, Role.OWNER),
    Grant(str(WRITER), Role.WRITER, HERE),
    Grant(str(READER), Role.READER, HERE),
    Grant(str(APPROVER), Role.APPROVER, HERE, Usd.parse("1")),
)
RULES = replace(with_limits(), people=PEOPLE)
ASKS = replace(with_limits(confirm="0.10"), people=PEOPLE)


class Place:
    """A gateway at work, a group, and the people in it."""

    def __init__(self, telegram: BotApi, gateway: Bench, group: Group, people: dict[int, Phone]) -> None:
        self.telegram, self.gateway, self.group = telegram, gateway, group
        self.owner, self.writer, self.reader, self.approver, self.stranger = (
            group.joined_by(people[number]) for number in (int(OWNER), WRITER, READER, APPROVER, STRANGER)
        )
        self.alone = people
        """Each in the chat that they have with the bot."""

    async def handled(self) -> None:
        """Everything that was written so far was handled, and the answer to a later question of the owner's is there."""
        alone = self.alone[int(OWNER)]

        def helped() -> int:
            return sum("Write to your agent" in seen.text for seen in alone.sees())

        before = helped()
        alone.says("/help")
        await self.telegram.until(lambda: helped() > before and not self.telegram.pending, 30)

    async def prompts(self) -> list[str]:
        return [turn.prompt for turn in await self.gateway.turns()]

    async def asked(self) -> Seen:
        """The question about the writer's prompt, in the group."""
        self.writer.says(f"{AT} go")
        return await self.owner.waits_for("enough history", timeout=40)


@asynccontextmanager
async def place(
    rules: Rules = RULES,
    play: Script | None = None,
    *,
    reads_all: bool = True,
    telegram: BotApi | None = None,
    home: Path | None = None,
    forum: bool = False,
) -> AsyncGenerator[Place]:
    """A gateway and a group, in which the bot is a member and sees everything unless `reads_all` says otherwise."""
    own = telegram is None
    telegram = telegram or BotApi(reads_all=reads_all)
    if own:
        telegram.__enter__()
    try:
        people = {
            number: telegram.user(number, name)
            for number, name in (
                (int(OWNER), "Ada"),
                (WRITER, "Wim"),
                (READER, "Rea"),
                (APPROVER, "Apo"),
                (STRANGER, "Eve"),
            )
        }
        team = telegram.group(TEAM, kind="supergroup" if forum else "group", forum=forum, bot="member")
        async with (
            QuickChat(telegram.token, telegram.base_url, poll_s=1, retry_ms=10) as chat,
            bench(play or script(call(1)), rules, home=home, chat=cast("MemoryChat", chat)) as gateway,
        ):
            yield Place(telegram, gateway, team, people)
        assert telegram.violations == []
    finally:
        if own:
            telegram.__exit__(None, None, None)


# ----------------------------------------------------------------------------------------------------- what is heard
@pytest.mark.parametrize("reads_all", [True, False])
async def test_in_a_group_only_what_names_the_bot_or_answers_it_is_a_prompt(reads_all: bool) -> None:
    """A mention anywhere, a reply to the bot and a command that is addressed to it; nothing else, with privacy mode on and off."""
    async with place(reads_all=reads_all) as at:
        for text in ("who brings cake?", "@somebody_else go", "/cost", "/cost@other_bot", "mail tollbridge_test_bot"):
            at.writer.says(text)
        at.owner.says("nor what an owner says")
        await at.handled()
        assert at.owner.sees() == []
        at.writer.says(f"{AT} do the first thing")
        answer = await at.owner.waits_for("All done.", timeout=40)
        at.writer.says("and the second", reply_to=answer.message_id)
        await at.gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        at.writer.says(f"please {AT} do the third")
        await at.gateway.until(lambda turns: len(turns) == 3 and turns[-1].state is TurnState.FINISHED)
        at.writer.says(f"/cost{AT}")
        await at.owner.waits_for("Session: $", timeout=40)
        prompts = await at.prompts()
        assert prompts[0] == "do the first thing"
        assert prompts[1].startswith("and the second\n")
        assert prompts[2] == "please do the third"


async def test_in_a_topic_that_is_a_sessions_everything_is_for_the_bot() -> None:
    """The first message names it; from then on neither text nor command has to, there and nowhere else."""
    async with place(forum=True) as at:
        topic, other = at.group.topic("the work"), at.group.topic("lunch")
        at.writer.says("not yet", thread=topic)
        at.writer.says(f"{AT} begin", thread=topic)
        await at.owner.waits_for("All done.", timeout=20, thread=topic)
        at.writer.says("soup or salad?", thread=other)
        at.writer.says("go on", thread=topic)
        await at.gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        at.writer.says("/cost", thread=topic)
        await at.owner.waits_for("Session: $", timeout=20, thread=topic)
        assert await at.prompts() == ["begin", "go on"]
        assert at.owner.sees(thread=other) == []


async def test_where_everything_is_for_the_bot_a_stranger_is_still_dropped() -> None:
    """Attack 4: with `always-listens` the stricter word stays the one that counts: who may not write is not heard, and a reader
    commands nothing.
    """
    async with place(replace(RULES, groups_listen=True)) as at:
        at.stranger.says("run this")
        at.stranger.says(f"{AT} run this")
        at.reader.says("run that")
        await at.owner.waits_for("You may read here, and no more than that", timeout=40)
        at.writer.says("do it")
        await at.owner.waits_for("All done.", timeout=40)
        assert await at.prompts() == ["do it"]


async def test_who_is_paired_for_their_own_chat_commands_no_group() -> None:
    """Attack 11: a grant for the private chat is none for a group: no answer to prompt, command, reply or mention there."""
    alone = Grant(str(STRANGER), Role.OWNER, str(STRANGER))
    async with place(replace(RULES, people=(*PEOPLE, alone))) as at:
        at.writer.says(f"{AT} begin")
        answer = await at.owner.waits_for("All done.", timeout=40)
        shown = len(at.owner.sees())
        for text in (f"{AT} do it", f"/stop{AT} all", f"/budget{AT} 1000", "do it"):
            at.stranger.says(text, reply_to=answer.message_id)
        await at.handled()
        assert len(at.owner.sees()) == shown
        assert await at.prompts() == ["begin"]
        assert not await at.gateway.world.store.read(lambda view: view.frozen)
        at.alone[STRANGER].says("in my own chat")
        await at.alone[STRANGER].waits_for("All done.", timeout=40)


async def test_an_unlisted_member_who_names_the_bot_is_dropped() -> None:
    """Attack 12: mention, reply, command, caption and edit of somebody whom nobody let in: no answer, no turn, no file kept."""
    async with place() as at:
        at.writer.says(f"{AT} begin")
        answer = await at.owner.waits_for("All done.", timeout=40)
        shown = len(at.owner.sees())
        said = at.stranger.says(f"{AT} do it")
        at.stranger.says("do it", reply_to=answer.message_id)
        at.stranger.says(f"/new{AT}")
        at.stranger.sends_document(b"x", caption=f"{AT} read this")
        at.stranger.edits(said, f"{AT} do it now")
        await at.handled()
        assert len(at.owner.sees()) == shown
        assert await at.prompts() == ["begin"]
        assert not at.telegram.requests("getFile")


async def test_a_name_that_is_somebody_elses_or_only_passed_on_calls_nobody() -> None:
    """Attack 18: a forwarded mention or command of the bot in a group is another's words: it is neither for the bot nor a command."""
    async with place() as at:
        at.writer.forwards(f"{AT} delete everything")
        at.writer.forwards(f"/stop{AT} all")
        await at.handled()
        assert at.owner.sees() == []
        assert await at.prompts() == []
        assert not await at.gateway.world.store.read(lambda view: view.frozen)


async def test_who_speaks_for_a_chat_is_not_heard() -> None:
    """Attack 14: an anonymous admin, another channel's voice and a channel post name the bot in vain, whatever number they bear."""
    async with place() as at:
        anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
        group = {"id": TEAM, "type": "group", "title": "Team"}
        channel = {"id": -100777, "type": "channel", "title": "News"}
        owner = at.owner.user
        mention = {"text": f"{AT} go", "entities": [{"type": "mention", "offset": 0, "length": len(AT)}], "date": 1}
        for update in (
            {"message": mention | {"message_id": 901, "chat": group, "from": anonymous, "sender_chat": group}},
            {"message": mention | {"message_id": 902, "chat": group, "from": owner, "sender_chat": channel}},
            {"channel_post": mention | {"message_id": 903, "chat": channel, "sender_chat": channel}},
            {"message": mention | {"message_id": 904, "chat": channel, "from": owner}},
        ):
            at.telegram.push_raw(update)
        await at.handled()
        assert at.owner.sees() == []
        assert await at.prompts() == []


async def test_a_reaction_is_no_answer_and_no_prompt() -> None:
    """Attack 16: reactions are not asked for; one that comes all the same does nothing, a stranger's or an owner's."""
    async with place(ASKS) as at:
        asked = await at.asked()
        for phone in (at.stranger, at.owner):
            phone.reacts(asked.message_id, "\N{THUMBS UP SIGN}")
        change = {"chat": {"id": TEAM, "type": "group", "title": "Team"}, "message_id": asked.message_id, "date": 1}
        thumb = [{"type": "emoji", "emoji": "\N{THUMBS UP SIGN}"}]
        for phone in (at.stranger, at.owner):
            at.telegram.push_raw(
                {"message_reaction": change | {"user": phone.user, "old_reaction": [], "new_reaction": thumb}}
            )
        await at.handled()
        assert [turn.state for turn in await at.gateway.turns()] == [TurnState.ASKING]
        assert at.gateway.agent.charges == []


# --------------------------------------------------------------------------------------------------------- approvals
async def refused(at: Place, phone: Phone, data: str, message: int, words: str) -> None:
    """A press that means nothing: it is answered with the reason, and nothing is called."""
    answer = await phone.waits_for_answer(phone.taps(data, message, stale=True), timeout=30)
    assert answer.text == words
    assert at.gateway.agent.charges == []


async def test_a_question_in_a_group_is_answered_by_its_approvers_on_its_message_only() -> None:
    """Attacks 22, 23 and 24: a stranger, a reader and the writer who asked press in vain; so do forged tokens, and the right
    token on another message and in another chat. The approver's press runs it.
    """
    async with place(ASKS) as at:
        asked = await at.asked()
        run = asked.buttons[0].data
        assert run is not None
        for phone in (at.stranger, at.reader, at.writer):
            await refused(at, phone, run, asked.message_id, "You may not answer this.")
        for forged in (run[:-1] + "~", "run:all", "0" * 43, "yes"):
            await refused(at, at.approver, forged, asked.message_id, "This button is not valid here.")
        at.owner.says(f"/help{AT}")
        other = await at.owner.waits_for("Write to your agent", timeout=40)
        await refused(at, at.owner, run, other.message_id, "This button is not valid here.")
        mine = at.alone[int(OWNER)]
        mine.says("/help")
        elsewhere = await mine.waits_for("Write to your agent", timeout=40)
        await refused(at, mine, run, elsewhere.message_id, "This button is not valid here.")
        at.approver.taps(run, asked.message_id)
        await at.owner.waits_for("All done.", timeout=40)


async def test_two_approvers_and_a_double_tap_are_one_yes() -> None:
    """Attack 25: the owner and an approver press in the same moment, one of them twice: one run, the others hear so."""
    async with place(ASKS) as at:
        asked = await at.asked()
        taps = [(phone, phone.taps(asked.buttons[0].text, asked.message_id)) for phone in (at.owner, at.approver)]
        taps.append((at.owner, at.owner.taps(asked.buttons[0].data or "", asked.message_id, stale=True)))
        texts = [(await phone.waits_for_answer(tap, timeout=30)).text for phone, tap in taps]
        assert texts == ["", "This was answered already.", "This was answered already."]
        await at.gateway.ended(TurnState.FINISHED)
        assert len(at.gateway.agent.charges) == 1


async def test_a_press_in_a_group_after_its_time_has_no_effect() -> None:
    """Attack 26: what nobody answered in time is over: a late press of an approver says so and runs nothing."""
    async with place(replace(ASKS, approval_ms=60_000)) as at:
        asked = await at.asked()
        at.gateway.puts_clock_forward(60_000)
        await at.gateway.ended(TurnState.REFUSED)
        await refused(at, at.approver, asked.buttons[0].data or "", asked.message_id, "This has expired.")


async def test_a_writer_in_a_group_approves_nothing_by_words() -> None:
    """Attack 29: /go, /raise and a reply with an amount need what a button needs; a writer and a reader get a refusal."""
    async with place(ASKS) as at:
        asked = await at.asked()
        at.writer.says("0.75", reply_to=asked.message_id)
        for text in (f"/raise{AT} day 3", f"/go{AT}", f"/approve{AT}"):
            at.writer.says(text)
            at.reader.says(text)
        await at.handled()
        turns = await at.gateway.turns()
        assert turns[0].state is TurnState.ASKING
        assert at.gateway.agent.charges == []


# --------------------------------------------------------------------------------------------------- coming and going
async def test_a_group_into_which_a_stranger_puts_the_bot_is_left_without_a_word() -> None:
    """Attack 13: not a message goes there; that Telegram fails at first changes nothing."""
    async with place() as at:
        unknown = at.telegram.group(-5005, kind="group", bot="left")
        there = unknown.joined_by(at.stranger)
        at.telegram.fail_next("leaveChat", status=502)
        unknown.adds_bot(there)
        there.says(f"{AT} hello")
        await at.telegram.until(lambda: unknown.bot_status == "left", 20)
        await at.handled()
        assert there.sees() == []
        assert {request.params["chat_id"] for request in at.telegram.requests("leaveChat")} == {-5005}
        assert await at.prompts() == []
        assert at.group.bot_status == "member"


async def test_a_leaving_that_was_decided_is_done_by_the_next_gateway(tmp_path: Path) -> None:
    """Attack 13, with a crash between: what was decided is in the store."""
    with BotApi(reads_all=True) as telegram:
        async with place(home=tmp_path, telegram=telegram) as at:
            unknown = telegram.group(-5005, kind="group", bot="left")
            down = [True]
            telegram.fail_next("leaveChat", status=502, times=1_000, when=lambda _request: bool(down))
            unknown.adds_bot(at.stranger)
            await telegram.until(lambda: not telegram.pending, 30)
            await telegram.waits_for_request("leaveChat", done=True)
        assert unknown.bot_status == "member"
        down.clear()
        async with place(home=tmp_path, telegram=telegram):
            await telegram.until(lambda: unknown.bot_status == "left", 40)


async def test_where_an_owner_puts_the_bot_it_stays_and_says_nothing_until_somebody_who_may_writes() -> None:
    """Added, made an administrator, spoken to by strangers: silence; then the owner, who may write everywhere, is answered."""
    async with place() as at:
        known = at.telegram.group(-5005, kind="group", bot="left")
        owner, stranger = known.joined_by(at.owner), known.joined_by(at.stranger)
        known.adds_bot(owner)
        known.promotes_bot(stranger)
        stranger.says(f"{AT} hello")
        await at.handled()
        assert owner.sees() == []
        owner.says(f"{AT} begin")
        await owner.waits_for("All done.", timeout=40)
        assert known.bot_status == "administrator"
        assert at.telegram.requests("leaveChat") == []


async def test_a_group_where_nobody_may_do_anything_is_left() -> None:
    """Attack 13: the bot was there before anybody was asked, and nobody's rights reach there: the first word there shows it."""
    mine = (Grant(OWNER, Role.OWNER, OWNER), *PEOPLE[1:])
    async with place(replace(RULES, people=mine)) as at:
        unknown = at.telegram.group(-5005, kind="group", bot="member")
        there = unknown.joined_by(at.stranger)
        there.says("hello")
        await at.telegram.until(lambda: unknown.bot_status == "left", 20)
        assert there.sees() == []


async def test_where_the_bot_was_thrown_out_nothing_more_is_tried() -> None:
    """What waits for that group is let go of: no request goes there afterwards, and the turn keeps what it has spent."""
    async with place() as at:
        at.telegram.fail_next("sendMessage", retry_after=2, when=lambda request: request.params["chat_id"] == TEAM)
        at.writer.says(f"{AT} begin")
        turn = await at.gateway.ended(TurnState.FINISHED)
        at.group.kicks_bot()
        await at.telegram.until(lambda: not at.telegram.pending, 30)
        await at.handled()
        tried = len([one for one in at.telegram.requests() if one.params.get("chat_id") == TEAM])
        await at.telegram.until(at.alone[int(OWNER)].sees, 30)
        waiting = await at.gateway.world.store.outbox("telegram", 10, at.gateway.world.clock.now_ms() + 60_000)
        assert [post for post in waiting if post.thread.chat == HERE] == []
        assert len([one for one in at.telegram.requests() if one.params.get("chat_id") == TEAM]) == tried
        assert turn.spent == Usd.parse("0.01")


# ----------------------------------------------------------------------------------------------------- another number
@pytest.mark.parametrize("told", [("to", "from"), ("from", "to"), ("to",), ("from",)])
async def test_a_group_that_becomes_a_supergroup_keeps_what_it_had_and_gets_no_more(told: tuple[str, ...]) -> None:
    """Attack 15: grants, session, limits and the open question move once, whichever of Telegram's two messages comes first; the old
    buttons mean nothing, and who was a stranger is one.
    """
    async with place(replace(ASKS, people=(*PEOPLE, Grant(str(STRANGER), Role.OWNER, str(STRANGER))))) as at:
        asked = await at.asked()
        [before] = await at.gateway.sessions()
        wider = at.group.becomes_supergroup(WIDER, told=told)
        writer, approver, stranger = (wider.joined_by(one) for one in (at.writer, at.approver, at.stranger))
        again = await writer.waits_for("enough history", timeout=40)
        await at.telegram.until(lambda: not at.telegram.pending, 30)
        assert len([seen for seen in writer.sees() if "enough history" in seen.text]) == 1
        run = asked.buttons[0].data or ""
        await refused(at, at.approver, run, asked.message_id, "This button is not valid here.")
        await refused(at, approver, run, again.message_id, "This button is not valid here.")
        await refused(at, stranger, again.buttons[0].data or "", again.message_id, "You may not answer this.")
        stranger.says(f"{AT} now me")
        approver.taps(again.buttons[0].text, again.message_id)
        await writer.waits_for("All done.", timeout=40)
        [after] = await at.gateway.sessions()
        assert (after.id, after.thread.chat) == (before.id, str(WIDER))
        [turn] = await at.gateway.turns()
        assert Scope(ScopeKind.CHAT, f"telegram:{TEAM}") in turn.scopes
        assert bounds.booked(at.gateway.world, after, turn.person) == tuple(turn.scopes)
        grants = await at.gateway.world.store.read(lambda view: view.all_grants())
        there = {(one.person, one.role, one.largest_raise) for one in grants if one.chat == str(WIDER)}
        assert there == {(one.person, one.role, one.largest_raise) for one in PEOPLE if one.chat == HERE}
        assert not [one for one in grants if one.chat == HERE]
        assert len([seen for seen in writer.sees() if f"goes by the number {WIDER}" in seen.text]) == 1


async def test_what_waits_in_a_group_that_moves_shows_its_place_and_buttons_there() -> None:
    """Attack 15: messages that wait behind others keep their order and can be dropped in the new chat; the buttons of the old one mean
    nothing.
    """
    lasts = anyio.Event()
    async with place(play=script(call(1, lasts=lasts))) as at:
        at.writer.says(f"{AT} begin")
        await at.owner.waits_for("Working", timeout=20)
        said = []
        for number, text in enumerate(("second", "third"), start=1):
            at.writer.says(f"{AT} {text}")
            said.append(await at.owner.waits_for(f"Queued as number {number}:", timeout=20))
        wider = at.group.becomes_supergroup(WIDER)
        there = wider.joined_by(at.writer)
        await there.waits_for("Queued as number 1:", timeout=20)
        again = await there.waits_for("Queued as number 2:", timeout=20)
        drop = next(button.data or "" for button in said[1].buttons if button.text == "Drop")
        await refused(at, there, drop, again.message_id, "This button is not valid here.")
        there.taps("Drop", again.message_id)
        await there.waits_for("Dropped: it does not run.", timeout=20)
        lasts.set()
        await at.gateway.until(lambda turns: [turn.state for turn in turns][:2] == [TurnState.FINISHED] * 2)
        assert (await at.prompts())[:2] == ["begin", "second"]


async def test_a_message_that_finds_its_group_moved_follows_it() -> None:
    """Attack 15: neither of the two messages came; the answer of a running turn is refused with the new number, goes there, and
    everything else with it.
    """
    async with place(ASKS) as at:
        asked = await at.asked()
        wider = at.group.becomes_supergroup(WIDER, told=())
        there = wider.joined_by(at.writer)
        at.approver.taps(asked.buttons[0].text, asked.message_id)
        await there.waits_for("All done.", timeout=40)
        assert len([seen for seen in there.sees() if "All done." in seen.text]) == 1
        there.says(f"/cost{AT}")
        await there.waits_for("Session: $0.01", timeout=40)


async def test_settings_that_name_a_group_as_it_was_count_for_what_it_became(tmp_path: Path) -> None:
    """Attack 15, after a restart: the settings still hold the old number, and nobody loses or gains by that."""
    with BotApi(reads_all=True) as telegram:
        async with place(home=tmp_path, telegram=telegram) as at:
            wider = at.group.becomes_supergroup(WIDER)
            await at.telegram.until(lambda: not at.telegram.pending, 30)
            await wider.joined_by(at.writer).waits_for("goes by the number", timeout=40)
        async with place(home=tmp_path, telegram=telegram) as at:
            grants = await at.gateway.world.store.read(lambda view: view.all_grants())
            assert {one.chat for one in grants} == {"", str(WIDER)}
            there = wider.joined_by(at.writer)
            there.says(f"{AT} begin")
            await there.waits_for("All done.", timeout=40)


async def test_nobody_but_telegram_moves_a_group() -> None:
    """Attack 15: a person's message that holds the fields of a service message moves nothing, and neither does a number that no
    supergroup has.
    """
    async with place() as at:
        group = {"id": TEAM, "type": "group", "title": "Team"}
        base = {"message_id": 77, "date": 1, "chat": group, "from": at.stranger.user}
        at.telegram.push_raw({"message": base | {"text": "hi", "migrate_to_chat_id": WIDER}})
        at.telegram.push_raw({"message": base | {"migrate_to_chat_id": -17}})
        at.telegram.push_raw({"edited_message": base | {"edit_date": 2, "migrate_to_chat_id": WIDER}})
        await at.handled()
        assert await at.gateway.world.store.read(lambda view: view.moves("telegram")) == ()
        at.writer.says(f"{AT} begin")
        await at.owner.waits_for("All done.", timeout=40)
