"""What comes in, checked before anything is locked: amounts, names and times that nobody can have meant are BankErrors."""

import re

from gateway.domain.lease import STANDING, Lending, Renewal, TeamScope
from gateway.domain.money import LARGEST_AMOUNT_NANO, ZERO, Usd
from gateway.ports import BankError

LONGEST_NAME = 200
LONGEST_WORDS = 500
LONGEST_LEASE_MS = 24 * 3_600_000
SHORTEST_LEASE_MS = 1000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def plain(text: str) -> str:
    """Words as every database can hold them: no NUL and no half of a surrogate pair, at most `LONGEST_WORDS` characters."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:LONGEST_WORDS]


def check_name(name: str, what: str) -> None:
    """Raise BankError unless it can name something: not empty, not endless, no control characters."""
    if not name or len(name) > LONGEST_NAME or _CONTROL.search(name):
        raise BankError(f"{what} has to be 1 to {LONGEST_NAME} plain characters, which {name[:40]!r} is not")


def check_amount(amount: Usd, what: str, least: Usd = ZERO) -> None:
    """Raise BankError unless the amount is at least `least` and at most $1,000,000."""
    if not least <= amount <= Usd(LARGEST_AMOUNT_NANO):
        raise BankError(f"{what} has to be between {least} and $1000000, which {amount} is not")


def check_count(count: int, what: str) -> None:
    """Raise BankError for a number that no column can hold, or that counts less than nothing."""
    if not 0 <= count < 2**62:
        raise BankError(f"{what} has to be a count, which {count} is not")


def check_scope(scope: TeamScope) -> None:
    """Raise BankError for a team or a period that is no name."""
    check_name(scope.team, "the team")
    if scope.period:
        check_name(scope.period, "the period")


def check_lending(lending: Lending) -> None:
    """Raise BankError for a request that cannot be meant."""
    check_name(lending.id, "the lease's id")
    check_name(lending.gateway, "the gateway's name")
    check_scope(lending.scope)
    if lending.scope.period in STANDING:
        raise BankError(f"Nothing is lent on {lending.scope}: name the {lending.scope.period} itself")
    _check_terms(lending.want, lending.least, lending.lasts_ms)
    check_amount(lending.want, "what is wanted", lending.least)


def check_renewal(renewal: Renewal) -> None:
    """Raise BankError for a request that cannot be meant."""
    check_name(renewal.id, "the renewal's id")
    check_count(renewal.lease.epoch, "the lease's epoch")
    check_amount(renewal.spent, "what was spent")
    _check_terms(renewal.want, renewal.least, renewal.lasts_ms)


def _check_terms(want: Usd, least: Usd, lasts_ms: int) -> None:
    check_amount(want, "what is wanted")
    check_amount(least, "the least that is of use", Usd(1))
    if not SHORTEST_LEASE_MS <= lasts_ms <= LONGEST_LEASE_MS:
        raise BankError(f"a lease lasts {SHORTEST_LEASE_MS} to {LONGEST_LEASE_MS} ms, which {lasts_ms} is not")
