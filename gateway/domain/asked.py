"""What an agent, or another program, may know of its budget when it asks through MCP."""

from dataclasses import dataclass
from typing import Final

from gateway.domain.budget import Balance
from gateway.domain.money import Usd
from gateway.domain.place import Session
from gateway.domain.turn import Turn

CHOICES_MAX: Final = 4
"""Of a question to a person."""
CHOICE_CHARACTERS_MAX: Final = 60
CLAIM_CHARACTERS_MAX: Final = 500
"""Of what an agent says came of its work."""


@dataclass(frozen=True, slots=True)
class Status:
    """The limits that count for who asks, and what stands against them.

    `session` and `turn` (the one at work) are None for a program that speaks for no session. `list_price`: amounts may be none that
    anybody pays.
    """

    session: Session | None
    turn: Turn | None
    balances: tuple[Balance, ...]
    confirm_above: Usd
    frozen: bool
    list_price: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What a session has cost so far, and its latest turns, newest first."""

    session: Session
    balance: Balance
    turns: tuple[Turn, ...]
    list_price: bool
