"""The team's bank: what people read when it lends nothing, refuses, or cannot be reached."""

from typing import Final

AWAY: Final = "The team's bank cannot be reached, so nothing was changed."
FENCED: Final = (
    "Another process uses this gateway's name at the team's bank, or a copy of its state. Nothing starts here until somebody has"
    " looked: give each gateway a name of its own (bank.gateway), then /go."
)


def refused(why: str) -> str:
    """The bank said no; `why`: without a full stop."""
    return f"The team's bank refused: {why}."


def stays_open(wrong: str) -> str:
    """A yes that needed the bank came to nothing; `wrong`: why, as a sentence."""
    return f"{wrong}\nThe question above stays open: answer it again."


# ---------------------------------------------------------------------------------------- why a turn waits, in a sentence
UNREACHED: Final = "the team's bank cannot be reached, and what it lent is used up or its time is over"
LENDS_NOTHING: Final = "the team's bank lends nothing for this now"


def no_limit(team: str, period: str) -> str:
    """Nobody has set a limit; `team`: the team and its period, `period`: as the command names it."""
    return f"nobody has set a limit for {team} yet (an owner does: `tollbridge bank limit {period} 500`)"
