"""What there is of people's words in a session, and who may have them forgotten. Amounts, tokens, times and the ledger always stay."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.access import may
from gateway.domain.place import Deed, Grant, Session

DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a session's words is kept: prompts, answers (with errors and what agents claim), questions, files, unsent messages.

    `open_turns`: turns that have not ended. `leaving`: one of its messages is on its way this moment. `copies`: paths of the
    copies of files that its unsent messages carry.
    """

    prompts: int = 0
    answers: int = 0
    questions: int = 0
    files: int = 0
    drafts: int = 0
    open_turns: int = 0
    leaving: bool = False
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """What one small batch of forgetting what is old took: turns and questions."""

    turns: int = 0
    questions: int = 0

    def __add__(self, other: "Cut") -> "Cut":
        return Cut(self.turns + other.turns, self.questions + other.questions)

    def __bool__(self) -> bool:
        return bool(self.turns or self.questions)


def may_forget(person: str, session: Session, grants: Iterable[Grant]) -> bool:
    """Whose session it is, while they may write here; and owners."""
    mine = tuple(grants)
    own = session.owner == person and may(mine, Deed.COMMAND, session.thread)
    return own or may(mine, Deed.GRANT, session.thread)


def before_ms(days: int, now_ms: int) -> int | None:
    """What is older than this is forgotten; None: nothing ever is (0 days)."""
    return now_ms - days * DAY_MS if days else None
