"""What agents ask through MCP: they see their own budget and ask for it, and only people grant."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.scripted import Wait
from gateway.chats.memory import MemoryChat
from gateway.core.summary import escape
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.asked import Cost, Status
from gateway.domain.budget import EntryKind, Scope, ScopeKind, Unit
from gateway.domain.change import Asker, ChangeState, Standing, Wanted
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Session, Thread
from gateway.domain.turn import Claim, ClaimKind, OutcomeKind, Turn, TurnState
from gateway.engine import asked, requests
from gateway.engine.asked import Asking, Caller, Pace, session_of_agent
from gateway.ports import Decision, Post, Receipt
from gateway.store import open_readonly
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script

pytestmark = pytest.mark.anyio

MINE, OTHER = Thread("memory", OWNER), Thread("memory", "8")
HTTP = "HTTP"


def raised(amount: str = "5", kind: ScopeKind = ScopeKind.SESSION, **more: Any) -> Wanted:
    """A raise of the session's limit."""
    return Wanted(kind, Usd.parse(amount).nano, raises=True, **more)


@asynccontextmanager
async def one_turn(**more: Any) -> AsyncGenerator[tuple[Bench, Asking]]:
    """A gateway with a session of one turn in the owner's own chat, and the desk of its agent."""
    async with bench(script(call(10)), **more) as gateway:
        gateway.chat.says(MINE, OWNER, "Fix the flaky login test")
        await gateway.until(lambda turns: bool(turns) and turns[-1].state is TurnState.FINISHED)
        [session] = await gateway.sessions()
        yield gateway, desk_of(gateway, session)


def desk_of(gateway: Bench, session: Session) -> Asking:
    """The desk of a session's agent, as it says its own name."""
    return Asking(gateway.world, Caller("an agent", own=session_of_agent(session.agent_session or "")), Pace())


def over_http(gateway: Bench, handles: dict[str, str] | None = None) -> Asking:
    """The desk of a program that came over HTTP."""
    return Asking(gateway.world, Caller(HTTP, named=(handles or {}).get), Pace())


def pending(found: Standing | str) -> Standing:
    """A question that waits."""
    assert isinstance(found, Standing), found
    assert found.state is ChangeState.ASKED
    return found


async def taps(gateway: Bench, words: str, label: str, person: str = OWNER, thread: Thread = MINE) -> str:
    """A person presses a button; the word that they get, empty if it counts."""
    shown = await gateway.chat.waits_for(thread, words)
    return await gateway.chat.told(gateway.chat.taps(shown, label, person))


async def limit_of(gateway: Bench) -> Usd | None:
    """The session's limit as it counts."""
    [session] = await gateway.sessions()
    return (await gateway.balance_of(Scope(ScopeKind.SESSION, session.id))).limit


# --------------------------------------------------------------------------------------------------------- more budget
async def test_an_agent_asks_and_only_a_person_grants(tmp_path: Path) -> None:
    """Attack 30: asking raises nothing; the person's tap does, by the code that the command line's raises go through."""
    async with one_turn(home=tmp_path) as (gateway, desk):
        [session] = await gateway.sessions()
        found = pending(await desk.request("", raised(why="two more runs")))
        assert found.words == f"Asked in the chat: raise the limit of session {session.id} by $5.00 to $10.00."
        assert await limit_of(gateway) == Usd.parse("5")
        who = f"The agent of session {session.id} (Scripted agent in /) asks:"
        assert escape(who) in (await gateway.chat.waits_for(MINE, "two more runs")).text
        assert await taps(gateway, "two more runs", "Raise to $10.00") == ""
        done = await desk.standing("", found.id, 60_000)
        words = f"The limit of session {session.id} is $10.00: a person said yes."
        assert done == Standing(ChangeState.DONE, words)
        assert await limit_of(gateway) == Usd.parse("10")

    def look() -> list[tuple[str, str]]:
        with open_readonly(tmp_path) as reader:
            entries = [record.entry for record in reader.records() if record.entry.kind is EntryKind.LIMIT]
        return [(entry.who, entry.why) for entry in entries]

    why = f"raised by $5.00, asked by the agent of session {session.id} (Scripted agent in /): two more runs"
    assert await anyio.to_thread.run_sync(look) == [(OWNER, why)]


async def test_a_raise_that_is_set_instead_of_asked_for_is_asked_for_all_the_same() -> None:
    """Attack 30: whatever the wish says, nothing takes effect by itself, not even what would narrow for the command line."""
    async with one_turn() as (gateway, desk):
        pending(await desk.request("", replace(raised("1"), raises=False)))
        assert await limit_of(gateway) == Usd.parse("5")
        await gateway.chat.waits_for(MINE, escape("by $1.00 to $6.00"))


async def test_a_no_is_told_and_changes_nothing() -> None:
    """The agent hears that a person said no, and not who."""
    async with one_turn() as (gateway, desk):
        found = pending(await desk.request("", raised()))
        await taps(gateway, "asks: raise", "No")
        assert await desk.standing("", found.id, 60_000) == Standing(
            ChangeState.NO, "a person said no: nothing was changed."
        )
        assert await limit_of(gateway) == Usd.parse("5")


async def test_the_same_wish_is_one_question() -> None:
    """An agent that asks again because nobody has answered yet rings no phone twice."""
    async with one_turn() as (gateway, desk):
        first, second = [pending(await desk.request("", raised())) for _ in range(2)]
        assert first.id == second.id
        await gateway.chat.waits_for(MINE, "asks: raise")
        assert len([shown for shown in gateway.chat.sees(MINE) if "asks: raise" in shown.text]) == 1


async def test_questions_have_a_limit_and_keep_nobody_else_from_asking() -> None:
    """Three may wait; the command line's own questions are counted apart."""
    async with one_turn() as (gateway, desk):
        for cents in range(1, asked.OPEN_MAX):
            pending(await desk.request("", raised(f"0.0{cents}")))
        pending(await desk.ask("", "Which one?", ()))
        for refused in (await desk.request("", raised("1")), await desk.ask("", "And which other one?", ())):
            assert isinstance(refused, str)
            assert refused.startswith("too many questions wait for an answer already")
        desktop = Asker("ada", "desk", (4_194_400,), terminal=True)
        found = await requests.request(gateway.world, raised("1", ScopeKind.DAY), desktop)
        assert found.state is ChangeState.ASKED


async def test_who_is_told_no_again_and_again_asks_no_more_for_an_hour() -> None:
    """A person is not worn down: so many questions an hour, whatever the answers were."""
    async with one_turn() as (gateway, desk):
        for cents in range(asked.HOURLY_MAX):
            found = pending(await desk.request("", raised(f"0.{cents + 10}")))
            await taps(gateway, escape(f"by $0.{cents + 10} to"), "No")
            assert (await desk.standing("", found.id, 60_000)) is not None
        refused = await desk.request("", raised("1"))
        assert refused == "12 questions were put in the last hour: go on without an answer, or end your turn"


async def test_too_many_that_wait_are_told_at_once_how_it_stands() -> None:
    """A wait costs the gateway something: so many at once, and no more."""
    async with one_turn() as (_, desk):
        found = pending(await desk.request("", raised()))
        desk.pace.waiting = asked.WAITING_MAX
        with anyio.fail_after(30):
            pending(await desk.standing("", found.id, 3_600_000))
        assert desk.pace.waiting == asked.WAITING_MAX


async def test_who_connects_anew_has_still_asked_what_they_asked() -> None:
    """Attack 30: an agent that ends its connection and opens another one has the same limits as before."""
    async with one_turn() as (gateway, desk):
        for cents in range(asked.HOURLY_MAX):
            pending(await desk.request("", raised(f"0.{cents + 10}")))
            await taps(gateway, escape(f"by $0.{cents + 10} to"), "No")
        anew = Asking(gateway.world, desk.caller, desk.pace)
        assert "in the last hour" in str(await anew.request("", raised("1")))


def test_an_hour_later_questions_may_be_put_again() -> None:
    """The limit is on an hour that moves, for each asker, and it forgets the oldest of too many askers."""
    pace = asked.Pace()
    for _ in range(asked.HOURLY_MAX):
        pace.note("s_1", 1000)
    assert not pace.allows("s_1", 1000 + asked.HOUR_MS - 1)
    assert pace.allows("s_2", 1000)
    assert pace.allows("s_1", 1000 + asked.HOUR_MS)
    for number in range(asked.ASKERS_MAX):
        pace.note(f"x_{number}", 1000)
    assert len(pace._asked) == asked.ASKERS_MAX


async def test_what_nobody_may_grant_is_asked_of_nobody() -> None:
    """An approver's largest raise counts for what agents ask, too; without anybody nothing is done unasked."""
    approver = replace(RULES, people=(Grant(OWNER, Role.APPROVER, largest_raise=Usd.parse("2")),))
    async with one_turn(rules=approver) as (_, desk):
        refused = await desk.request("", raised("3"))
        assert refused == "nobody may raise a limit by $3.00: tell the person, and go on without it"
        pending(await desk.request("", raised("2")))


async def test_what_makes_no_sense_is_refused_in_a_sentence() -> None:
    """A limit that is not there, a limit beyond the most there is, a time that is none, an id that is nobody's."""
    async with one_turn() as (gateway, desk):
        assert await desk.request("", raised(kind=ScopeKind.MONTH)) == (
            "there is no limit on this month: there is nothing to raise"
        )
        most = await desk.request("", raised("1000000"))
        assert most == "That would be more than $1000000.00, the most there is: nothing was changed."
        assert isinstance(await desk.request("", raised(until="soon")), str)
        calls = await desk.request("", Wanted(ScopeKind.SESSION, 5, raises=True, unit=Unit.CALLS))
        assert calls == "there is no limit on this session: there is nothing to raise"
        assert await desk.standing("", "ask_1", 0) == "you asked nothing that has the id 'ask_1'"
        assert all("asks: raise" not in shown.text for shown in gateway.chat.sees(MINE))


async def test_a_raise_until_a_time_ends_by_itself() -> None:
    """The question says until when, and the yes is for no longer."""
    async with one_turn() as (gateway, desk):
        found = pending(await desk.request("", raised("1", until="2h")))
        assert "until" in found.words
        await taps(gateway, "asks: raise", "Raise to $6.00")
        assert isinstance(await desk.standing("", found.id, 60_000), Standing)
        assert await limit_of(gateway) == Usd.parse("6")
        unlifted = await gateway.world.store.read(
            lambda view: view.balance(Scope(ScopeKind.SESSION, view.thread_sessions(MINE)[0].id))
        )
        assert unlifted.limit is None  # nothing was set for good


# ------------------------------------------------------------------------------------------------------------ whose it is
async def test_another_principals_session_is_refused() -> None:
    """Attack 61: an agent that names another session than its own sees nothing of it, asks nothing for it, and reports nothing on it."""
    async with one_turn() as (gateway, desk):
        gateway.chat.says(OTHER, OWNER, "Another thing")
        await gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        mine, other = await gateway.sessions()
        for handle in (other.id, "s_none", f"{other.id}.0000"):
            assert await desk.status(handle) == asked.NOT_YOURS
            assert await desk.cost(handle) == asked.NOT_YOURS
            assert await desk.estimate(handle, "Go on") == asked.NOT_YOURS
            assert await desk.request(handle, raised()) == asked.NOT_YOURS
            assert await desk.ask(handle, "May I?", ()) == asked.NOT_YOURS
            assert await desk.report(handle, ClaimKind.DONE, "All of it.") == asked.NOT_YOURS
        assert isinstance(await desk.status(mine.id), Status)
        found = pending(await desk.request("", raised()))
        theirs = desk_of(gateway, other)
        for words in (await theirs.standing("", found.id, 0), await over_http(gateway).standing("", found.id, 0)):
            assert words == f"you asked nothing that has the id '{found.id}'"
        assert [turn.claim for turn in await gateway.turns()] == [None, None]


async def test_a_handle_counts_only_for_who_it_was_made_for() -> None:
    """Attack 61: over HTTP a session is named by what vouches for it, never by its plain id."""
    async with one_turn() as (gateway, desk):
        [session] = await gateway.sessions()
        program = over_http(gateway, {"sealed": session.id, "gone": "s_gone"})
        found = await program.status("sealed")
        assert isinstance(found, Status)
        assert found.session == session
        for handle in (session.id, "gone", "forged"):
            assert await program.cost(handle) == asked.NOT_KNOWN
        another = Asking(gateway.world, Caller("an agent", own=desk.caller.own, named={"theirs": "s_2"}.get), Pace())
        assert await another.cost("theirs") == asked.NOT_KNOWN


async def test_who_has_no_session_is_told_what_works_without_one_and_not_of_a_handle_that_nobody_gives() -> None:
    """Through a relay there are no handles: what helps is what needs no session. Over HTTP a person can give one."""
    async with one_turn() as (gateway, _):
        relayed = await Asking(gateway.world, Caller("an agent"), Pace()).cost("")
        assert isinstance(relayed, str)
        assert "budget_status" in relayed
        assert "handle" not in relayed
        over = await over_http(gateway).cost("")
        assert isinstance(over, str)
        assert "`tollbridge mcp token --session ID`" in over
        assert "leave `session` out" in asked.NOT_YOURS


async def test_who_speaks_for_no_session_sees_what_counts_for_everybody() -> None:
    """Over HTTP without a handle: the day's limit may be asked for, of the people in private; nothing of any session is told."""
    async with one_turn() as (gateway, _):
        program = over_http(gateway)
        found = await program.status("")
        assert isinstance(found, Status)
        assert (found.session, found.turn) == (None, None)
        assert [balance.scope.kind for balance in found.balances] == [ScopeKind.DAY, ScopeKind.WEEK, ScopeKind.MONTH]
        assert await program.cost("") == asked.NO_HANDLE
        assert await program.report("", ClaimKind.DONE, "Done.") == asked.NO_HANDLE
        refused = await program.request("", raised())
        assert refused == "no limit of a session counts for you: there are day, week, month"
        asks = pending(await program.request("", raised("5", ScopeKind.DAY)))
        shown = await gateway.chat.waits_for(MINE, "asks: raise")
        assert (
            escape("A program on this machine, through MCP (HTTP), asks: raise the day's limit by $5.00") in shown.text
        )
        await taps(gateway, "asks: raise", "Raise to $30.00")
        done = await program.standing("", asks.id, 60_000)
        assert done == Standing(ChangeState.DONE, "The day's limit is $30.00: a person said yes.")
        assert isinstance(await program.estimate("", "Fix it"), Estimate)


# ------------------------------------------------------------------------------------------------------------------ looks
async def test_status_cost_and_estimate_are_what_the_gateway_itself_goes_by() -> None:
    """The same balances as the gate's, the same turns as /cost shows, the forecast of the gate."""
    async with one_turn() as (gateway, desk):
        [session], turn = await gateway.sessions(), await gateway.turn()
        status, cost = await desk.status(""), await desk.cost("")
        assert isinstance(status, Status)
        assert isinstance(cost, Cost)
        assert (status.session, status.turn, status.frozen) == (session, None, False)
        assert status.balances[0].spent == cost.balance.spent == Usd.parse("0.10")
        assert status.balances[0].limit == Usd.parse("5")
        assert cost.turns == (turn,)
        forecast = await desk.estimate("", "Fix the other one")
        assert isinstance(forecast, Estimate)
        assert (forecast.n, forecast.hold >= RULES.step) == (1, True)


async def test_the_turn_at_work_is_part_of_the_status() -> None:
    """An agent sees how much of what the person has seen is left while it works."""
    going = anyio.Event()
    async with bench(script(call(10), Wait(going))) as gateway:
        gateway.says("Fix it")
        await gateway.until(lambda turns: bool(turns) and turns[-1].calls == 1)
        [session] = await gateway.sessions()
        status = await desk_of(gateway, session).status("")
        assert isinstance(status, Status)
        assert status.turn is not None
        assert (status.turn.state, status.turn.ceiling) == (TurnState.RUNNING, Usd.parse("1"))
        assert status.balances[0].held == status.turn.held_left
        going.set()
        await gateway.ended(TurnState.FINISHED)


# -------------------------------------------------------------------------------------------------------------- questions
async def test_a_question_is_answered_by_a_button_and_told_once() -> None:
    """Attack 60: the question shows who asks and all that is asked; a button counts once; the message says that the agent has the
    answer only when it has it.
    """
    async with one_turn() as (gateway, desk):
        [session] = await gateway.sessions()
        found = pending(await desk.ask("", "Which database?\u200b", ("postgres", "sqlite")))
        shown = await gateway.chat.waits_for(MINE, "asks you:")
        assert escape(f"The agent of session {session.id} (Scripted agent in /) asks you:") in shown.text
        assert "Which database?\\u{200b}" in shown.text
        assert [button.label for button in shown.buttons] == ["postgres", "sqlite", "Do not answer"]
        assert await taps(gateway, "asks you:", "sqlite") == ""
        await gateway.chat.waits_for(MINE, "Answer: sqlite\nThe agent has not asked for it yet.")
        assert await gateway.chat.told(gateway.chat.taps(shown, "postgres", OWNER)) == "This was answered already."
        assert await desk.standing("", found.id, 60_000) == Standing(ChangeState.DONE, "sqlite")
        await gateway.chat.waits_for(MINE, "Answered: sqlite")
        assert await desk.standing("", found.id, 0) == Standing(ChangeState.DONE, "sqlite")


async def test_a_question_is_answered_in_the_persons_own_words() -> None:
    """A reply to the message is the answer, whole; it is no prompt, and a stranger's reply is nothing."""
    async with one_turn(rules=replace(RULES, people=(*RULES.people, Grant("9", Role.WRITER)))) as (gateway, desk):
        found = pending(await desk.ask("", "What shall I call it?", ()))
        shown = await gateway.chat.waits_for(MINE, "Reply to this message with your answer.")
        gateway.chat.says(MINE, "9", "Nonsense", to=shown)
        await gateway.chat.waits_for(MINE, "You may not answer the question above.")
        gateway.chat.says(MINE, OWNER, "x" * 4001, to=shown)
        await gateway.chat.waits_for(MINE, "At most 4000 characters can be an answer.")
        answer = "The tollhouse, " + "or what you like, " * 10 + "anything"
        gateway.chat.says(MINE, OWNER, answer, to=shown)
        assert await desk.standing("", found.id, 60_000) == Standing(ChangeState.DONE, answer)
        gateway.chat.says(MINE, OWNER, "Another", to=shown)
        await gateway.chat.waits_for(MINE, "This was answered already.")
        assert len(await gateway.turns()) == 1


class Behind(MemoryChat):
    """A chat whose answer to a question that it has shown comes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = anyio.Event()

    async def deliver(self, post: Post) -> Receipt:
        """Show it, wait, then answer."""
        receipt = await super().deliver(post)
        if "asks you" in post.body:
            await self.goes_on.wait()
        return receipt


async def test_a_reply_that_comes_before_the_messages_name_is_known_is_still_an_answer() -> None:
    """A question can be read, and replied to, a moment before the chat service has answered that it is there."""
    chat = Behind()
    async with one_turn(chat=chat) as (gateway, desk):
        found = pending(await desk.ask("", "What shall I call it?", ()))
        shown = await chat.waits_for(MINE, "Reply to this message with your answer.")
        taken = gateway.steps.passed.count("inbox.accepted")
        chat.says(MINE, OWNER, "The tollhouse", to=shown)
        await gateway.until(lambda _turns: gateway.steps.passed.count("inbox.accepted") > taken)
        await anyio.wait_all_tasks_blocked()
        chat.goes_on.set()
        assert await desk.standing("", found.id, 60_000) == Standing(ChangeState.DONE, "The tollhouse")
        assert len(await gateway.turns()) == 1


async def test_plain_words_answer_a_question_only_while_the_agent_works() -> None:
    """Written while the agent works they are the answer; written to an idle agent they are its next prompt."""
    going = anyio.Event()
    async with bench(script(call(10), Wait(going))) as gateway:
        gateway.chat.says(MINE, OWNER, "Fix it")
        await gateway.until(lambda turns: bool(turns) and turns[-1].calls == 1)
        [session] = await gateway.sessions()
        desk = desk_of(gateway, session)
        found = pending(await desk.ask("", "Which port?", ()))
        await gateway.chat.waits_for(MINE, "Which port?")
        gateway.chat.says(MINE, OWNER, "8080")
        assert await desk.standing("", found.id, 60_000) == Standing(ChangeState.DONE, "8080")
        late = pending(await desk.ask("", "Which host?", ()))
        going.set()
        await gateway.until(lambda turns: turns[-1].state is TurnState.FINISHED)
        gateway.chat.says(MINE, OWNER, "Now the other test")
        await gateway.until(lambda turns: len(turns) == 2)
        pending(await desk.standing("", late.id, 0))


async def test_a_person_need_not_answer_and_nobody_waits_for_ever() -> None:
    """Declined is told as declined; a question that nobody answers closes with its time."""
    async with one_turn(rules=replace(RULES, approval_ms=60_000)) as (gateway, desk):
        found = pending(await desk.ask("", "May I?", ("yes",)))
        await taps(gateway, "May I?", "Do not answer")
        declined = await desk.standing("", found.id, 60_000)
        assert declined == Standing(ChangeState.NO, "The person does not answer this.")
        late = pending(await desk.ask("", "May I now?", ()))
        gateway.puts_clock_forward(60_000)
        assert await desk.standing("", late.id, 30_000) == Standing(ChangeState.EXPIRED, "Nobody answered in time.")
        shown = await gateway.chat.waits_for(MINE, "Nobody answered in time.")
        assert shown.buttons == ()


async def test_the_same_question_is_put_once_and_one_that_cannot_be_shown_whole_is_not_put() -> None:
    """What is too long, empty, or has choices that look alike is refused with what to do instead."""
    async with one_turn() as (gateway, desk):
        first, second = [pending(await desk.ask("", "Which?", ("a", "b"))) for _ in range(2)]
        assert first.id == second.id
        assert "shorten it" in str(await desk.ask("", "\u200b" * 500, ()))
        assert await desk.ask("", " ", ()) == "there is no question: write what you want to know"
        for choices in (("a", "a "), ("", "b"), ("x" * 61,)):
            assert "each choice needs words of its own" in str(await desk.ask("", "Which one?", choices))
        assert "at most 4 choices" in str(await desk.ask("", "Which one?", tuple("abcde")))
        assert len([shown for shown in gateway.chat.sees(MINE) if "asks you" in shown.text]) <= 1


async def test_a_question_without_a_session_goes_to_an_owner_in_private() -> None:
    """Nobody else is asked; where nobody may answer, nobody is asked at all."""
    people = (Grant("8", Role.APPROVER), Grant(OWNER, Role.OWNER))
    async with one_turn(rules=replace(RULES, people=people)) as (gateway, _):
        found = pending(await over_http(gateway).ask("", "Who are you?", ()))
        shown = await gateway.chat.waits_for(MINE, "asks you:")
        gateway.chat.says(MINE, OWNER, "Ada", to=shown)
        assert await over_http(gateway).standing("", found.id, 60_000) == Standing(ChangeState.DONE, "Ada")
        assert gateway.chat.sees(Thread("memory", "8")) == []
    async with bench(script(call(1)), replace(RULES, people=(Grant("9", Role.READER),))) as gateway:
        refused = await over_http(gateway).ask("", "Anybody?", ())
        assert refused == "nobody is there who could answer: go on without an answer"


async def test_questions_are_answered_after_the_gateway_has_started_anew(tmp_path: Path) -> None:
    """They are kept; the answer is there for who asks with the id, and is bound to the session that asked."""
    async with one_turn(home=tmp_path) as (gateway, desk):
        found = pending(await desk.ask("", "Which?", ("a", "b")))
        await gateway.chat.waits_for(MINE, "asks you:")
        chat = gateway.chat
    async with bench(script(call(1)), home=tmp_path, chat=chat) as again:
        await taps(again, "asks you:", "b")
        [session] = await again.sessions()
        assert await desk_of(again, session).standing("", found.id, 60_000) == Standing(ChangeState.DONE, "b")
        approval = await again.world.store.read(lambda view: view.approval(found.id))
        assert approval is not None
        assert (approval.kind, approval.state, approval.turn_id) == (ApprovalKind.QUESTION, ApprovalState.ANSWERED, "")


# ----------------------------------------------------------------------------------------------------------------- claims
async def test_a_claim_is_kept_as_the_agents_own_words_and_changes_nothing() -> None:
    """It stands beside the turn: state, outcome and cost stay what they were found to be; a later claim replaces it."""
    async with one_turn() as (gateway, desk):
        before = await gateway.turn()
        for words in ("first", "All tests\n pass.\u202e" + "y" * 600):
            assert isinstance(await desk.report("", ClaimKind.DONE, words), Turn)
        after = await gateway.turn()
        assert after.claim is not None
        assert after.claim.kind is ClaimKind.DONE
        assert after.claim.text.startswith("All tests pass.\\u{202e}yyy")
        assert (len(after.claim.text), after.claim.text[-1]) == (501, "…")
        assert replace(after, claim=None) == before
        assert after.outcome is not None
        assert after.outcome.kind is OutcomeKind.ANSWER
        await gateway.world.commit(lambda _: Decision(None, put=(replace(after, claim=Claim(ClaimKind.FAILED)),)))
        assert (await gateway.turn()).claim == Claim(ClaimKind.FAILED, "")


async def test_a_session_without_a_turn_has_nothing_to_report_on() -> None:
    """A claim needs a turn to stand beside."""
    async with bench(script(call(1))) as gateway:
        await gateway.begins_anew()
        [session] = await gateway.sessions()
        desk = Asking(gateway.world, Caller("an agent", own=lambda view: view.session(session.id)), Pace())
        refused = await desk.report("", ClaimKind.NOTHING, "Nothing yet.")
        assert refused == "the session has no turn yet: there is nothing to report on"
