"""Who may do what: one table of grants, one function."""

from collections.abc import Iterable

from gateway.domain.money import Usd
from gateway.domain.place import Deed, Grant, Role, Thread

_READER = frozenset({Deed.READ})
_WRITER = _READER | {Deed.PROMPT, Deed.COMMAND}
_APPROVER = _WRITER | {Deed.APPROVE, Deed.RAISE}
_MAY: dict[Role, frozenset[Deed]] = {
    Role.READER: _READER,
    Role.WRITER: _WRITER,
    Role.APPROVER: _APPROVER,
    Role.OWNER: frozenset(Deed),
}


def may(grants: Iterable[Grant], deed: Deed, thread: Thread, amount: Usd | None = None) -> bool:
    """Whether any of the person's grants allows the deed in this thread, and for a raise, one so large."""
    return any(
        deed in _MAY[grant.role]
        and grant.chat in ("", thread.chat)
        and (amount is None or grant.largest_raise is None or amount <= grant.largest_raise)
        for grant in grants
    )
