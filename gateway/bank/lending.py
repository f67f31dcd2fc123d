"""Lending: each function is one transaction's work on one scope, under that scope's lock. Nothing is checked before the lock."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select, text, update

from gateway.bank import ledger, limits, status, words
from gateway.bank.ledger import Account, Kind, now_ms, of
from gateway.bank.schema import OPEN, leases
from gateway.core.lease import chunk
from gateway.domain.lease import (
    Lease,
    LeaseState,
    Lending,
    Reason,
    Refused,
    Renewal,
    TeamScope,
)
from gateway.domain.money import Usd
from gateway.ports import BankError


@dataclass(slots=True)
class _Held:
    """A lease's row, under its scope's lock."""

    account: Account
    row: dict[str, Any]

    @property
    def remainder(self) -> int:
        open_ = self.row["state"] in (LeaseState.LIVE, LeaseState.EXPIRED)
        return max(0, self.row["lent"] - self.row["spent"]) if open_ else 0

    @property
    def lease(self) -> Lease:
        return status.lease_of(self.row, self.account.now_ms)

    def change(self, kind: Kind, *, always: bool = True, who: str = "", why: str = "", **columns: Any) -> None:
        """Change columns of the lease, and enter what that does to the scope; `always`: also where that is nothing."""
        spent, remainder = self.row["spent"], self.remainder
        self.row |= columns
        statement = update(leases).where(leases.c.id == self.row["id"]).values(columns)
        self.account.connection.execute(statement)
        moved = {"spent": self.row["spent"] - spent, "lent": self.remainder - remainder}
        if always or any(moved.values()):
            self.account.append(kind, self.row, who=who, why=why, **moved)

    def book(self, spent: Usd, kind: Kind = Kind.SPENT) -> None:
        """What was spent of the lease in all; a total that is lower than a known one is an old one."""
        if spent.nano > self.row["spent"]:
            self.change(kind, spent=spent.nano)

    def tell_time(self) -> None:
        """Note that the lease's time is over, if it is."""
        if self.row["state"] == LeaseState.LIVE and self.row["ends_at_ms"] <= self.account.now_ms:
            self.change(Kind.EXPIRED, state=LeaseState.EXPIRED.value)


def lend(connection: Connection, lending: Lending) -> Lease | Refused:
    """See the port."""
    words.check_lending(lending)
    account = limits.limited(connection, lending.scope)
    held = _find(connection, account, lending.id) if account else None
    if held is not None:
        limits.same(held.row["lending"], _lending_json(lending), f"lease {lending.id}")
        return held.lease
    if account is None or account.limit is None:
        return Refused(Reason.NO_LIMIT)
    amount = chunk(account.balance.left, lending.want, lending.least)
    if not amount:
        return Refused(Reason.USED_UP, account.balance.left)
    row: dict[str, Any] = {
        **_new_row(lending.id, lending.scope, lending.gateway, account.now_ms),
        "epoch": 1,
        "lent": amount.nano,
        "ends_at_ms": account.now_ms + lending.lasts_ms,
        "state": LeaseState.LIVE.value,
        "lending": _lending_json(lending),
    }
    connection.execute(leases.insert().values(row))
    account.append(Kind.LENT, row, lent=amount.nano)
    return status.lease_of(row, account.now_ms)


def renew(connection: Connection, renewal: Renewal) -> Lease | Refused:
    """See the port."""
    words.check_renewal(renewal)
    held = _known(connection, renewal.lease)
    if held is None:
        return Refused(Reason.UNKNOWN)
    asked = _renewal_json(renewal)
    if held.row["renewal"] and json.loads(held.row["renewal"])["id"] == renewal.id:
        limits.same(held.row["renewal"], asked, f"renewal {renewal.id}")
        return held.lease
    held.tell_time()
    why_not = _not_renewable(held, renewal.lease)
    if why_not is not None:
        held.book(renewal.spent)
        return Refused(why_not, held.account.balance.left)
    spent = max(held.row["spent"], renewal.spent.nano)
    held.change(
        Kind.RENEWED,
        always=False,
        spent=spent,
        lent=_lent_after(held, spent, renewal),
        renewal=asked,
        epoch=max(held.row["epoch"], renewal.lease.epoch) + 1,
        ends_at_ms=held.account.now_ms + renewal.lasts_ms,
    )
    return held.lease


def _not_renewable(held: _Held, lease: Lease) -> Reason | None:
    if lease.epoch < held.row["epoch"]:
        return Reason.FENCED
    match LeaseState(held.row["state"]):
        case LeaseState.LIVE:
            return None
        case LeaseState.EXPIRED:
            return Reason.EXPIRED
        case _:
            return Reason.CLOSED


def _lent_after(held: _Held, spent: int, renewal: Renewal) -> int:
    """What is lent in all once the remainder has shrunk to what is wanted, or grown towards it as far as there is something.

    An overdraft was spent already and stays spent; what is lent on top of it is new.
    """
    lent = max(held.row["lent"], spent)
    more = renewal.want.nano - (lent - spent)
    if more <= 0:
        return lent + more
    balance = held.account.balance
    left = balance.left.nano + held.remainder + held.row["spent"] - lent
    return lent + chunk(Usd(left), Usd(more), min(renewal.least, Usd(more))).nano


def spend(connection: Connection, lease: Lease, spent: Usd) -> Lease:
    """See the port. A lease that the bank does not know is kept as one that was repaid, all of it overdraft."""
    words.check_amount(spent, "what was spent")
    held = _known(connection, lease) or _stranger(connection, lease)
    held.tell_time()
    held.book(spent)
    return held.lease


def repay(connection: Connection, lease: Lease, spent: Usd) -> Lease | Refused:
    """See the port."""
    words.check_amount(spent, "what was spent")
    held = _known(connection, lease) or _stranger(connection, lease)
    held.tell_time()
    if lease.epoch < held.row["epoch"] and held.row["state"] in (LeaseState.LIVE, LeaseState.EXPIRED):
        held.book(spent)
        return Refused(Reason.FENCED, held.account.balance.left)
    if held.row["state"] not in (LeaseState.LIVE, LeaseState.EXPIRED):
        held.book(spent)
        return held.lease
    held.change(Kind.REPAID, spent=max(held.row["spent"], spent.nano), state=LeaseState.REPAID.value)
    return held.lease


def expire(connection: Connection) -> tuple[Lease, ...]:
    """See the port; at most `status.MOST_OPEN`. Scopes are locked in one order, whoever does this at the same time."""
    # One that was found expired stays so, though the clock was set back since.
    over = or_(leases.c.ends_at_ms <= now_ms(connection), leases.c.state == LeaseState.EXPIRED.value)
    late = select(leases.c.team, leases.c.period, leases.c.id).where(text(OPEN), over)
    found: list[tuple[int, Lease]] = []
    query = late.order_by(leases.c.team, leases.c.period, leases.c.made_at_ms, leases.c.id).limit(status.MOST_OPEN)
    for team, period, lease_id in connection.execute(query).all():
        account = ledger.lock(connection, TeamScope(team, period))
        held = _find(connection, account, lease_id) if account else None
        if held is None:
            continue
        held.tell_time()
        if held.row["state"] == LeaseState.EXPIRED:
            found.append((held.row["made_at_ms"], held.lease))
    return tuple(lease for _, lease in sorted(found, key=lambda pair: (pair[0], pair[1].id)))


def write_off(connection: Connection, lease_id: str, who: str, why: str) -> Lease | Refused:
    """See the port."""
    row = connection.execute(select(leases).where(leases.c.id == lease_id)).mappings().one_or_none()
    account = ledger.lock(connection, TeamScope(row["team"], row["period"])) if row else None
    held = _find(connection, account, lease_id) if account else None
    if held is None:
        return Refused(Reason.UNKNOWN)
    held.tell_time()
    match LeaseState(held.row["state"]):
        case LeaseState.LIVE:
            return Refused(Reason.LIVE, held.account.balance.left)
        case LeaseState.REPAID:
            return Refused(Reason.CLOSED, held.account.balance.left)
        case LeaseState.WRITTEN_OFF:
            return held.lease
        case LeaseState.EXPIRED:
            gone = LeaseState.WRITTEN_OFF.value
            held.change(Kind.WRITTEN_OFF, who=words.plain(who), why=words.plain(why), state=gone)
            return held.lease


def _find(connection: Connection, account: Account, lease_id: str) -> _Held | None:
    """A lease of the account's scope."""
    query = select(leases).where(leases.c.id == lease_id, of(account.scope, leases))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _Held(account, dict(row))


def _known(connection: Connection, lease: Lease) -> _Held | None:
    words.check_name(lease.id, "the lease's id")
    account = ledger.lock(connection, lease.scope)
    held = _find(connection, account, lease.id) if account else None
    if held is not None and held.row["gateway"] != lease.gateway:
        raise BankError(f"The lease {lease.id} was lent to {held.row['gateway']}, not to {lease.gateway}")
    return held


def _stranger(connection: Connection, lease: Lease) -> _Held:
    """A lease that the bank does not know, kept so that what is spent of it can be booked."""
    words.check_scope(lease.scope)
    words.check_name(lease.gateway, "the gateway's name")
    words.check_count(lease.epoch, "the lease's epoch")
    account = limits.made(connection, lease.scope)
    row = {
        **_new_row(lease.id, lease.scope, lease.gateway, account.now_ms),
        "epoch": lease.epoch,
        "lent": 0,
        "ends_at_ms": account.now_ms,
        "state": LeaseState.REPAID.value,
        "lending": "",
    }
    connection.execute(leases.insert().values(row))
    return _Held(account, row)


def _new_row(lease_id: str, scope: TeamScope, gateway: str, at_ms: int) -> dict[str, Any]:
    names = {"id": lease_id, "team": scope.team, "period": scope.period, "gateway": gateway}
    return names | {"spent": 0, "made_at_ms": at_ms, "renewal": ""}


def _lending_json(lending: Lending) -> str:
    terms = {"gateway": lending.gateway, "want": lending.want.nano, "least": lending.least.nano}
    return json.dumps(terms | {"lasts_ms": lending.lasts_ms}, sort_keys=True)


def _renewal_json(renewal: Renewal) -> str:
    terms = {"id": renewal.id, "epoch": renewal.lease.epoch, "spent": renewal.spent.nano, "want": renewal.want.nano}
    return json.dumps(terms | {"least": renewal.least.nano, "lasts_ms": renewal.lasts_ms}, sort_keys=True)
