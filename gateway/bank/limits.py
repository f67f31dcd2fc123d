"""Limits of shared scopes: set, raised once per request, and taken over from the standing one where a period begins."""

from sqlalchemy import Connection, select

from gateway.bank import ledger, words
from gateway.bank.ledger import Account, Kind, of
from gateway.bank.schema import entries, scopes
from gateway.domain.lease import TeamBalance, TeamScope
from gateway.domain.money import Usd
from gateway.ports import BankError


def set_limit(connection: Connection, scope: TeamScope, limit: Usd, who: str, why: str) -> TeamBalance:
    """See the port."""
    words.check_scope(scope)
    words.check_amount(limit, "the limit")
    account = made(connection, scope)
    if account.limit != limit.nano:
        account.append(Kind.LIMIT, limit=limit.nano, who=words.plain(who), why=words.plain(why))
    return account.balance


def raise_limit(
    connection: Connection, scope: TeamScope, by: Usd, said: tuple[str, str], request_id: str
) -> TeamBalance:
    """See the port; `said`: who and why. Raises BankError where there is no limit to raise, or the request was another.

    Who repeats a request may be another person than who made it: the first one's answer was lost, and the question stayed open.
    """
    words.check_scope(scope)
    words.check_amount(by, "the raise")
    words.check_name(request_id, "the request's id")
    account = limited(connection, scope)
    if account is None or account.limit is None:
        raise BankError(f"There is no limit on {scope} to raise: set one first")
    before = _raised(connection, scope, request_id)
    if before is not None:
        same(before, str(by.nano), f"raise {request_id}")
        return account.balance
    limit = Usd(account.limit) + by
    words.check_amount(limit, "the raised limit")
    who, why = (words.plain(one) for one in said)
    account.append(Kind.LIMIT, limit=limit.nano, request_id=request_id, who=who, why=why)
    return account.balance


def _raised(connection: Connection, scope: TeamScope, request_id: str) -> str | None:
    """By how much the limit was raised with this request, in nano-dollars; None: it was not."""
    raised = select(entries).where(of(scope, entries), entries.c.request_id == request_id)
    row = connection.execute(raised).mappings().one_or_none()
    if row is None:
        return None
    earlier = select(entries.c.limit).where(
        of(scope, entries), entries.c.seq < row["seq"], entries.c.limit.is_not(None)
    )
    limit = connection.scalar(earlier.order_by(entries.c.seq.desc()).limit(1))
    return str(row["limit"] - (limit or 0))


def limited(connection: Connection, scope: TeamScope) -> Account | None:
    """The scope's account; one without a limit gets the standing one of its kind, if there is one."""
    account = ledger.lock(connection, scope)
    if account is not None and account.limit is not None:
        return account
    limit = standing(connection, scope)
    if limit is None:
        return account
    account = account or made(connection, scope)
    if account.limit is None:
        account.append(Kind.LIMIT, limit=limit, who="standing", why="the limit that each of these periods begins with")
    return account


def standing(connection: Connection, scope: TeamScope) -> int | None:
    """The limit that the scope begins with, in nano-dollars."""
    kind = scope.standing
    return None if kind is None else connection.scalar(select(scopes.c.limit).where(of(kind)))


def made(connection: Connection, scope: TeamScope) -> Account:
    """The scope's account, made if there was none."""
    ledger.ensure(connection, scope)
    account = ledger.lock(connection, scope)
    if account is None:
        raise BankError(f"The row of {scope} is gone from the bank: somebody deletes there; put back a copy")
    return account


def same(before: str, now: str, what: str) -> None:
    """Raise BankError where a request's terms are not those that its id was used for before."""
    if before != now:
        raise BankError(f"The {what} was asked for before, with other terms: a new request needs a new id")
