"""Pairing and grants as values: a window in which codes are given out, and what one set of grants says that another does not.

A code counts once, for who got it and in the window that it was given out in. Names decide nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Final, Self

from gateway.core.access import may
from gateway.core.change import reason
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.money import Usd
from gateway.domain.people import Terms
from gateway.domain.place import Deed, Grant, GrantFrom, Role, Thread

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: five bits a character, and none that is taken for another."""
CHARACTERS: Final = 8
"""Forty bits."""
GROUP: Final = 4
MISREAD: Final = str.maketrans("OIL", "011", " -")
TRIES_MAX: Final = 5
"""So many wrong codes close the window."""
CLAIMS_MAX: Final = 5
"""So many people get a code in one window."""

_FIELDS: Final = frozenset(field.name for field in fields(Grant))
_RANK: Final = (Role.READER, Role.WRITER, Role.APPROVER, Role.OWNER)


# ---------------------------------------------------------------------------------------------------------- the window
@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody got a code: it is kept as a digest, which is bound to them and to the window."""

    person: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Window:
    """For so long whoever asks gets a code. `until_ticks_ms`: by a clock that is never set back; `user`, `host`: who opened it.

    `found`: whose code was typed; then nobody gets one any more, and no other is taken.
    """

    id: str
    terms: Terms
    until_ticks_ms: int
    user: str
    host: str
    claims: tuple[Claim, ...] = ()
    tries: int = 0
    found: Claim | None = None

    def opens(self, ticks_ms: int) -> bool:
        """Whether it is still open."""
        return ticks_ms < self.until_ticks_ms and self.tries < TRIES_MAX


def code_of(token: str) -> str:
    """A code to read out, `K7QM-22XZ`, from a random token of at least as many bits."""
    number = int.from_bytes(hashlib.sha256(token.encode()).digest())
    letters = "".join(ALPHABET[number >> 5 * place & 31] for place in range(CHARACTERS))
    return f"{letters[:GROUP]}-{letters[GROUP:]}"


def _digest(window_id: str, person: str, code: str) -> str:
    return hashlib.sha256(f"{window_id}\n{person}\n{code.upper().translate(MISREAD)}".encode()).hexdigest()


def claimed(window: Window | None, person: str, name: str, code: str, ticks_ms: int) -> Window | None:
    """The window once this person has this code; None: they get none, and no answer."""
    if window is None or not window.opens(ticks_ms) or window.found is not None:
        return None
    if len(window.claims) >= CLAIMS_MAX or any(claim.person == person for claim in window.claims):
        return None
    claim = Claim(person, reason(name), _digest(window.id, person, code))
    return replace(window, claims=(*window.claims, claim))


def typed(window: Window, code: str) -> Window:
    """The window once this was typed as the code: `found` says whose it is, or one try more is gone."""
    for claim in window.claims:
        if claim.digest == _digest(window.id, claim.person, code):
            return replace(window, found=claim, claims=())
    return replace(window, tries=window.tries + 1)


def granted(terms: Terms, claim: Claim) -> Grant:
    """What the person would be given."""
    chat = claim.person if terms.chat is None else terms.chat
    return Grant(claim.person, terms.role, chat, terms.largest_raise, GrantFrom.PAIRED, name=claim.name)


# ---------------------------------------------------------------------------------------------------------- the wishes
@dataclass(frozen=True, slots=True)
class Wish:
    """What an owner is asked: that somebody has this grant, `before`: instead of that one. `request`: the same for all who are asked."""

    request: str
    grant: Grant
    before: Grant | None
    user: str
    host: str

    def value(self) -> str:
        """As the button keeps it; the digest of the question is over it. `read` is the reverse."""
        facts = asdict(self) | {"grant": _facts(self.grant), "before": self.before and _facts(self.before)}
        return json.dumps(facts, sort_keys=True)

    @classmethod
    def read(cls, value: str) -> Self:
        """The wish that a button keeps."""
        facts = json.loads(value)
        before = facts["before"] and _grant(facts["before"])
        return cls(facts["request"], _grant(facts["grant"]), before, facts["user"], facts["host"])

    def same(self, other: "Wish") -> bool:
        """Whether a yes to the other would do the same."""
        return (self.grant, self.before) == (other.grant, other.before)


def _facts(grant: Grant) -> Mapping[str, object]:
    return asdict(grant) | {"largest_raise": _nano(grant)}


def _nano(grant: Grant) -> int | None:
    return None if grant.largest_raise is None else grant.largest_raise.nano


def _grant(facts: Mapping[str, object]) -> Grant:
    """The reverse of `_facts`; what a later program wrote besides is ignored."""
    known = {name: value for name, value in facts.items() if name in _FIELDS}
    role, origin, largest = Role(str(facts["role"])), GrantFrom(str(facts["origin"])), facts["largest_raise"]
    amount = Usd(largest) if isinstance(largest, int) else None
    return replace(Grant(**known), role=role, origin=origin, largest_raise=amount)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ what there is
def may_grant(grant: Grant) -> bool:
    """Whether somebody may let others in, from their own chat with the bot."""
    return may((grant,), Deed.GRANT, Thread("", grant.person))


def may_raise(grant: Grant) -> bool:
    """Whether somebody may raise limits anywhere."""
    return may((grant,), Deed.RAISE, Thread("", grant.chat or grant.person))


def in_the_way(grants: Iterable[Grant], chat: str) -> Grant | None:
    """Which of a person's grants another one in this chat (empty: everywhere) would touch: pairing changes none."""
    return next((grant for grant in grants if not chat or grant.chat in ("", chat)), None)


def widens(before: Grant, after: Grant) -> bool:
    """Whether the person may do anything that they might not before."""
    if _RANK.index(after.role) > _RANK.index(before.role):
        return True
    if not may_raise(after) or before.largest_raise is None:
        return False
    return after.largest_raise is None or after.largest_raise > before.largest_raise


def with_role(before: Grant, role: Role, largest_raise: Usd | None) -> Grant:
    """The grant with another role; how much may be raised stays, where nothing else is said and the role raises at all."""
    largest = before.largest_raise if largest_raise is None else largest_raise
    after = replace(before, role=role, largest_raise=largest)
    return after if may_raise(after) else replace(after, largest_raise=None)


def without(grants: Iterable[Grant], gone: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants but for those of the same persons in the same chats."""
    keys = {(grant.person, grant.chat) for grant in gone}
    return tuple(grant for grant in grants if (grant.person, grant.chat) not in keys)


def leaves_nobody(before: Iterable[Grant], after: Iterable[Grant]) -> bool:
    """Whether nobody could say yes any more in the chat: then a terminal would be enough for everything again."""
    return any(map(may_grant, before)) and not any(map(may_grant, after))


def at_start(settings: Sequence[Grant], stored: Sequence[Grant], now_ms: int) -> tuple[Grant, ...]:
    """What counts from the start on: what the settings say, and who was paired where they say nothing of the person and chat."""
    known = {(grant.person, grant.chat): grant for grant in stored}

    def since(grant: Grant) -> Grant:
        before = known.get((grant.person, grant.chat))
        same = before is not None and _does(before) == _does(grant) and before.origin is grant.origin
        found = before.since_ms if same and before is not None else None
        return replace(grant, since_ms=now_ms if found is None else found)

    paired = tuple(grant for grant in stored if grant.origin is GrantFrom.PAIRED)
    return (*map(since, settings), *without(paired, settings))


def _does(grant: Grant) -> tuple[Role, Usd | None]:
    return grant.role, grant.largest_raise


# ---------------------------------------------------------------------------------------------------------- the ledger
def entries(before: Iterable[Grant], after: Iterable[Grant], who: str, why: str) -> tuple[Entry, ...]:
    """What the ledger keeps of a change of grants: an entry for each person and chat where something is different now."""
    old = {(grant.person, grant.chat): grant for grant in before}
    new = {(grant.person, grant.chat): grant for grant in after}
    changed = [
        (old.get(key), new.get(key))
        for key in dict.fromkeys((*old, *new))
        if key not in old or key not in new or _does(old[key]) != _does(new[key]) or old[key].origin != new[key].origin
    ]
    return tuple(Entry(EntryKind.GRANT, (), who=who, why=why, detail=_detail(*pair)) for pair in changed)


def _detail(before: Grant | None, after: Grant | None) -> str:
    """What they were given before, and after; None: nothing."""
    return json.dumps({"before": before and _facts(before), "after": after and _facts(after)}, sort_keys=True)


def stands(grants: Iterable[Grant]) -> str:
    """What a person may do, for the digest of a question about them: what has changed since is asked about anew."""
    return json.dumps([[grant.chat, grant.role, _nano(grant)] for grant in grants])
