"""What became of a prompt, told after a crash from the journal and from the client's own transcript."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gateway.agents.claude import reading, transcript, wire
from gateway.agents.claude.translate import Translator
from gateway.domain.events import AgentEvent, CallMetered, End, Finished
from gateway.domain.usage import MAIN_LOOP
from gateway.ports import Launch, Recovered


def replay(journal: Path, environ: Mapping[str, str], launch: Launch, prompt_uuid: str) -> Recovered:
    """The events of the prompt, in order: what the journal holds, and the calls that only the transcripts know.

    Without a prompt the whole journal is told. Calls from before the prompt that are still in the journal come first (their ids
    tell whether they are booked already). Nothing that waited for an answer is told again: it waits no more.

    The prompt is known if the transcript has it, or the client came to the end of it. One that was cut off before that is in no
    conversation, and none of its tools has run, since they wait for the transcript: it may be handed over again.
    """
    translator = Translator(launch.agent_session or "", launch.directory, launch.model)
    mark, named = _look(journal, prompt_uuid) if prompt_uuid else (0, "")
    path = transcript.find(environ, launch.agent_session or named)
    at = transcript.prompt_time(path, prompt_uuid) if path is not None else None
    events: list[AgentEvent] = []
    for n, line in enumerate(_lines(journal)):
        if isinstance(line, wire.Result) and path is not None:
            events += _of_sub_agents(translator, path, None)
        told = translator.feed(line)
        events += (
            told if mark is not None and n >= mark else [event for event in told if isinstance(event, CallMetered)]
        )
    if path is not None:
        if at is not None:
            events += _of_main(translator, path, at)
        events += _of_sub_agents(translator, path, at)
    events += translator.cut_all()
    return Recovered(at is not None or any(_completed(event, prompt_uuid) for event in events), tuple(events))


def _completed(event: AgentEvent, prompt_uuid: str) -> bool:
    return isinstance(event, Finished) and event.prompt_uuid == prompt_uuid and event.end in (End.DONE, End.ERROR)


def _lines(journal: Path) -> Iterator[wire.Line]:
    for raw in transcript.lines(journal):
        line = reading.parse(raw)
        if not isinstance(line, wire.Unknown):
            yield line


def _look(journal: Path, prompt_uuid: str) -> tuple[int | None, str]:
    """Where the prompt was handed over last, as the number of its line, and the conversation's id; None and "" if not told."""
    mark, name = None, ""
    for n, line in enumerate(_lines(journal)):
        if isinstance(line, wire.Marker) and line.uuid == prompt_uuid:
            mark = n
        elif isinstance(line, wire.System):
            name = line.session_id or name
    return mark, name


def _of_main(translator: Translator, path: Path, since: str) -> list[AgentEvent]:
    """Calls of the main loop after the prompt; times are ISO 8601 in UTC, so they compare as text."""
    return _settled(translator, path, lambda found: found.loop == MAIN_LOOP and found.timestamp >= since)


def _of_sub_agents(translator: Translator, path: Path, since: str | None) -> list[AgentEvent]:
    """Calls of sub-agents: those whose announcement the journal holds, and with `since` all from then on."""
    events: list[AgentEvent] = []
    for file in transcript.sub_agents(path):
        events += _settled(
            translator,
            file,
            lambda found: (
                translator.calls.is_open(found.message.id) or (since is not None and found.timestamp >= since)
            ),
        )
    return events


def _settled(translator: Translator, path: Path, wanted: Callable[[transcript.Record], bool]) -> list[AgentEvent]:
    events: list[AgentEvent] = []
    for found in filter(None, map(transcript.record, transcript.lines(path))):
        if wanted(found):
            events += translator.settle(found)
    return events
