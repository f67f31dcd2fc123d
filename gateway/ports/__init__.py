"""Everything the engine needs of the world, a page each: Chat, Agent, Store, Prices, Transcriber, Bank, UsageLog.

Each port has a real adapter and a fake beside it; both pass the same contract tests. Times are milliseconds since 1970,
UTC. (The clock and the maker of ids are plain functions: `gateway.clock`.)
"""

from gateway.ports.agent import (
    Agent,
    AgentAwayError,
    AgentTraits,
    AgentUnavailableError,
    Client,
    Conversation,
    Launch,
    Process,
    Recovered,
)
from gateway.ports.bank import Bank, BankAwayError, BankError
from gateway.ports.base import AGENT_MARK, TollbridgeError
from gateway.ports.charts import Draw
from gateway.ports.chat import (
    Accept,
    Chat,
    Delayed,
    Delivered,
    Elsewhere,
    Gone,
    Post,
    Receipt,
    Rejected,
    Saved,
    Uncertain,
    UnreadableError,
)
from gateway.ports.logs import UsageLog
from gateway.ports.prices import Prices
from gateway.ports.speech import Heard, Transcriber
from gateway.ports.store import LONGEST_WAIT_MS, Decision, FullError, NewPost, Store, StoreError, Update
from gateway.ports.view import Heads, Record, Standing, View

__all__ = [
    "AGENT_MARK",
    "LONGEST_WAIT_MS",
    "Accept",
    "Agent",
    "AgentAwayError",
    "AgentTraits",
    "AgentUnavailableError",
    "Bank",
    "BankAwayError",
    "BankError",
    "Chat",
    "Client",
    "Conversation",
    "Decision",
    "Delayed",
    "Delivered",
    "Draw",
    "Elsewhere",
    "FullError",
    "Gone",
    "Heads",
    "Heard",
    "Launch",
    "NewPost",
    "Post",
    "Prices",
    "Process",
    "Receipt",
    "Record",
    "Recovered",
    "Rejected",
    "Saved",
    "Standing",
    "Store",
    "StoreError",
    "TollbridgeError",
    "Transcriber",
    "Uncertain",
    "UnreadableError",
    "Update",
    "UsageLog",
    "View",
]
