"""The tables. `migrations/` makes them; the metadata here is what queries are built from, and a test holds the two together.

Money is integer nano-dollars, time milliseconds since 1970, and what is nested in a record is JSON text.
"""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

HEAD = "0019_digest"
"""The newest migration: a database at this revision needs no Alembic to open."""

# Conditions of partial indexes: a query uses the index only when it says the same, letter for letter.
FREEZE_KINDS = "kind IN ('freeze', 'thaw')"
POLICY_KIND = "kind = 'policy'"
TIMED = "until_ms IS NOT NULL"
DELAYED = "state = 'waiting' AND not_before_ms > 0"
SENT = "message_id IS NOT NULL"
OPEN = "state = 'open'"
PRICED = "unpriced_calls = 0 AND calls > 0"
UNDONE = "state IN ('queued', 'asking', 'held', 'running', 'paused')"
UNHEARD = "request_id <> ''"
UNPRICED = "unpriced_calls > 0"
WAITING = "state = 'waiting'"
REMEMBERED = "forgotten_at_ms IS NULL"
QUESTIONED = "text <> ''"
DUE = "due_ms IS NOT NULL"
HOOKED = "state = 'waiting'"
UNSETTLED = "room IN ('wanted', 'closing', 'reopening')"


def storable(value: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair, which JSON lets through, becomes the replacement character."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not _is_utf8(value) else value


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Words(TypeDecorator[str]):
    """Text from the outside world."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)


metadata = MetaData()


def _table(name: str, *parts: Any, **options: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, **options)


def _words(name: str, *, null: bool = False, key: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, Words, nullable=null, primary_key=key, server_default=default)


def _number(name: str, *, null: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, Integer, nullable=null, server_default=default)


inbox = _table(
    "inbox",
    Column("id", Integer, primary_key=True),
    _words("service"),
    _words("key"),
    _words("payload"),
    _number("received_at_ms"),
    _words("state"),
    _words("reason", default=""),
    _number("attempts", default="0"),
    _number("handled_at_ms", null=True),
    UniqueConstraint("service", "key", name="inbox_key"),
)
Index("inbox_state", inbox.c.state, inbox.c.id)

outbox = _table(
    "outbox",
    Column("id", Integer, primary_key=True),
    _words("service"),
    _words("chat"),
    _words("topic"),
    _words("ref"),
    _number("part"),
    _words("body"),
    _number("edit"),
    _number("ring"),
    _words("state"),
    _words("reason", default=""),
    _words("message_id", null=True),
    _number("attempts", default="0"),
    _number("not_before_ms", default="0"),
    _number("created_at_ms"),
    sqlite_autoincrement=True,
)
Index("outbox_message", outbox.c.service, outbox.c.chat, outbox.c.message_id, sqlite_where=text(SENT))
Index("outbox_part", outbox.c.ref, outbox.c.part, unique=True, sqlite_where=text("edit = 0"))
Index("outbox_edit", outbox.c.ref, sqlite_where=text("edit = 1"))
Index(
    "outbox_queue",
    outbox.c.service,
    outbox.c.chat,
    outbox.c.topic,
    outbox.c.edit,
    outbox.c.id,
    sqlite_where=text(WAITING),
)
Index("outbox_delayed", outbox.c.service, outbox.c.not_before_ms, sqlite_where=text(DELAYED))
Index("outbox_state", outbox.c.state, outbox.c.created_at_ms)

sessions = _table(
    "sessions",
    _words("id", key=True),
    _words("agent"),
    _words("directory"),
    _words("service"),
    _words("chat"),
    _words("topic"),
    _words("owner"),
    _number("created_at_ms"),
    _words("agent_session", null=True),
    _words("model", null=True),
    _number("context_tokens"),
    _number("last_call_at_ms", null=True),
    _number("cache_ttl_s"),
    _words("title"),
    _words("project", default=""),
    _number("unattended", default="0"),
    _number("forgotten_at_ms", null=True),
    _words("room", default=""),
    _words("room_name", default=""),
    _words("branch", default=""),
    _words("mode", default=""),
    _words("forked_from", default=""),
)

Index("sessions_unsettled", sessions.c.room, sqlite_where=text(UNSETTLED))
Index("sessions_of_agent", sessions.c.agent_session, sqlite_where=text("agent_session IS NOT NULL"))
Index("sessions_thread", sessions.c.service, sessions.c.chat, sessions.c.topic, sessions.c.created_at_ms)

threads = _table(
    "threads",
    _words("service", key=True),
    _words("chat", key=True),
    _words("topic", key=True),
    Column("session_id", Words, ForeignKey("sessions.id"), nullable=False),
)

turns = _table(
    "turns",
    _words("id", key=True),
    Column("session_id", Words, ForeignKey("sessions.id"), nullable=False),
    _words("agent"),
    _words("origin"),
    _words("state"),
    _words("person"),
    _words("prompt"),
    _words("prompt_uuid"),
    _number("created_at_ms"),
    _words("model", null=True),
    _words("scopes"),
    _words("estimate", null=True),
    _number("hold"),
    _number("held_left"),
    _number("ceiling"),
    _number("spent"),
    _words("tokens"),
    _number("calls"),
    _number("work_ms", default="0"),
    _words("lifts", default="[]"),
    _number("unpriced_calls"),
    _number("unpriced_allowed"),
    _number("continues"),
    _words("flags"),
    _words("outcome", null=True),
    _number("started_at_ms", null=True),
    _number("ended_at_ms", null=True),
    _number("waits_until_ms", null=True),
    _words("claim", null=True),
    _words("attachments", default="[]"),
    _words("message_id", default=""),
    _number("forgotten_at_ms", null=True),
    _words("parts", default="{}"),
)
Index("turns_session", turns.c.session_id, turns.c.created_at_ms)
Index("turns_undone", turns.c.session_id, turns.c.created_at_ms, sqlite_where=text(UNDONE))
Index("turns_created", turns.c.created_at_ms)
Index("turns_remembered", turns.c.created_at_ms, sqlite_where=text(REMEMBERED))
Index("turns_unpriced", turns.c.unpriced_calls, sqlite_where=text(UNPRICED))
Index(
    "turns_costs",
    turns.c.person,
    turns.c.agent,
    turns.c.ended_at_ms,
    sqlite_where=text(PRICED),
)

approvals = _table(
    "approvals",
    _words("id", key=True),
    _words("kind"),
    _words("turn_id"),
    _words("session_id"),
    _words("service"),
    _words("chat"),
    _words("topic"),
    _words("text"),
    _words("options"),
    _words("digest"),
    _number("expires_at_ms"),
    _words("state"),
    _words("request_id"),
    _words("answered_by"),
    _words("answer"),
)
Index("approvals_open", approvals.c.turn_id, sqlite_where=text(OPEN))
Index("approvals_overdue", approvals.c.expires_at_ms, sqlite_where=text(OPEN))
Index("approvals_remembered", approvals.c.expires_at_ms, sqlite_where=text(QUESTIONED))
Index("approvals_unheard", approvals.c.turn_id, sqlite_where=text(UNHEARD))

approval_tokens = _table(
    "approval_tokens",
    _words("token", key=True),
    Column("approval_id", Words, ForeignKey("approvals.id"), nullable=False),
    _number("place"),
)
Index("approval_tokens_of", approval_tokens.c.approval_id, approval_tokens.c.place)

grants = _table(
    "grants",
    _words("person", key=True),
    _words("chat", key=True),
    _words("role"),
    _number("largest_raise", null=True),
    _words("origin", default="settings"),
    _number("since_ms", null=True),
    _words("by", default=""),
    _words("name", default=""),
)

processes = _table(
    "processes",
    Column("session_id", Words, ForeignKey("sessions.id"), primary_key=True),
    _number("pid"),
    _words("started"),
    _words("journal"),
)

entries = _table(
    "entries",
    Column("seq", Integer, primary_key=True),
    _number("at_ms"),
    _words("kind"),
    _words("scopes"),
    _words("turn_id", null=True),
    _words("session_id", null=True),
    _words("who"),
    _words("why"),
    _number("spent"),
    _number("held"),
    Column("limit", Integer, nullable=True),
    _words("call_id", null=True),
    _words("detail"),
    _words("previous_hash"),
    _words("hash"),
    _number("version", default="1"),
    _number("tokens", default="0"),
    _number("calls", default="0"),
    _number("work_ms", default="0"),
    _number("tokens_cap", null=True),
    _number("calls_cap", null=True),
    _number("work_ms_cap", null=True),
    _number("until_ms", null=True),
)
Index("entries_call", entries.c.call_id, unique=True, sqlite_where=text("call_id IS NOT NULL"))
Index("entries_turn", entries.c.turn_id, entries.c.seq)
Index("entries_session", entries.c.session_id, entries.c.seq)
Index("entries_frozen", entries.c.seq, sqlite_where=text(FREEZE_KINDS))
Index("entries_policy", entries.c.seq, sqlite_where=text(POLICY_KIND))
Index("entries_timed", entries.c.until_ms, sqlite_where=text(TIMED))

balances = _table(
    "balances",
    _words("kind", key=True),
    _words("key", key=True),
    Column("limit", Integer, nullable=True),
    _number("spent"),
    _number("held"),
    _number("tokens", default="0"),
    _number("calls", default="0"),
    _number("work_ms", default="0"),
    _number("tokens_cap", null=True),
    _number("calls_cap", null=True),
    _number("work_ms_cap", null=True),
    CheckConstraint("held >= 0", name="held_is_never_negative"),
)

quotas = _table(
    "quotas",
    _words("agent", key=True),
    Column("window", Words, primary_key=True),
    _number("percent"),
    _number("told_at_ms"),
    _number("resets_at_ms", null=True),
)

leases = _table(
    "leases",
    Column("seq", Integer, primary_key=True),
    _words("id"),
    _words("team"),
    _words("period"),
    _words("lease", null=True),
    _words("pending", null=True),
    _number("told"),
    _words("state"),
    _number("at_ms"),
    UniqueConstraint("id", name="leases_id"),
)
Index("leases_state", leases.c.state, leases.c.seq)

figures = _table("figures", Column("seq", Integer, primary_key=True), _words("figure"), sqlite_autoincrement=True)

unmetered = _table(
    "unmetered",
    _words("session", key=True),
    _words("directory"),
    _number("since_ms"),
    _number("last_ms"),
    _number("told_at_ms", null=True),
)

imported_turns = _table(
    "imported_turns",
    _words("agent", key=True),
    _words("session", key=True),
    _words("prompt", key=True),
    _number("ended_at_ms"),
    _words("model"),
    _number("spent"),
    _number("p90", null=True),
    _number("warm", null=True),
    _number("expected", null=True),
    _number("at_least"),
)
Index("imported_turns_ended", imported_turns.c.agent, imported_turns.c.ended_at_ms)

moved_chats = _table(
    "moved_chats",
    _words("service", key=True),
    _words("before", key=True),
    _words("after"),
    _number("at_ms"),
)

preferences = _table(
    "preferences",
    _words("service", key=True),
    _words("chat", key=True),
    _words("verbosity"),
    _number("confirm_above", null=True),
    _words("confirm_by"),
    _words("quiet"),
    _words("digest", default=""),
    _words("digest_for", default=""),
    _words("digest_told", default=""),
)

offered = _table("offered", _words("service", key=True), _words("chat", key=True))

outcomes = _table(
    "outcomes",
    Column("turn_id", Words, ForeignKey("turns.id"), primary_key=True, nullable=False),
    _words("kind"),
    _words("sight"),
    _words("before", null=True),
    _words("after", null=True),
    _number("counted"),
    _words("tests"),
)

outcome_commits = _table(
    "outcome_commits",
    Column("turn_id", Words, ForeignKey("outcomes.turn_id"), primary_key=True, nullable=False),
    _words("sha", key=True),
    _words("repository"),
    _words("whose"),
    *(_number(name) for name in ("files", "added", "removed", "authored_ms", "committed_ms")),
    _number("due_ms", null=True),
    _number("seen_at_ms", null=True),
    _number("gone", default="0"),
    _words("branch", default=""),
    _words("merged", default=""),
    _words("reverted_by", default=""),
    _number("after_7", null=True),
    _number("after_30", null=True),
)
Index("outcome_commits_due", outcome_commits.c.due_ms, sqlite_where=text(DUE))
hooks_out = _table(
    "hooks_out",
    Column("id", Integer, primary_key=True),
    _words("key"),
    _words("body"),
    _number("created_at_ms"),
    _number("attempts", default="0"),
    _number("not_before_ms", default="0"),
    _number("failed_at_ms", default="0"),
    _words("state"),
    _words("why", default=""),
    UniqueConstraint("key", name="hooks_out_key"),
    sqlite_autoincrement=True,
)
Index("hooks_out_queue", hooks_out.c.id, hooks_out.c.not_before_ms, sqlite_where=text(HOOKED))
