"""What the gateway's home keeps of a session's agent, deleted: its journal, notes, and the scripted agent's transcript.

What a real agent keeps of its conversations lies elsewhere, and belongs to it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from gateway.agents import supervise
from gateway.agents.claude import journal_of, transcript
from gateway.agents.claude.desk.notes import Notes
from gateway.domain.place import Session

DESK = "desk"


def erase_old(home: Path, before_ms: int, working: Collection[str]) -> int:
    """Delete the journals that nothing was written to since then, but for those of these sessions; how many. Raises OSError."""
    needed = {journal_of(home, session_id).name for session_id in working}
    gone = 0
    for file in (home / "agents").glob("*.jsonl*"):
        old = file.is_file() and file.stat().st_mtime * 1000 < before_ms
        if old and file.name.removesuffix(".stderr") not in needed:
            file.unlink(missing_ok=True)
            gone += 1
    return gone


def erase(home: Path, environ: Mapping[str, str], session: Session) -> str:
    """Delete it; where the agent's own transcript lies, empty if there is none. Raises OSError. Not for the event loop."""
    agents = home / "agents"
    journal = journal_of(home, session.id)
    for file in (journal, supervise.stderr_of(journal)):
        file.unlink(missing_ok=True)
    if session.agent_session is None:
        return ""
    Notes(agents / DESK).forget(session.agent_session)
    own = transcript.find(environ, session.agent_session)
    if own is not None or "/" in session.agent_session:
        return "" if own is None else str(own)
    (agents / "scripted" / f"{session.agent_session}.jsonl").unlink(missing_ok=True)
    return ""
