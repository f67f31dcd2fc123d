"""The durable steps that a gateway passes, by name."""

STEPS = (
    "recovered",  # what an earlier gateway left has been brought to where it belongs
    "turn.recovered",
    "turn.resent",
    "inbox.accepted",  # an update is in the inbox; the service was not told yet
    "inbox.handled",
    "committed",  # after every decision, whatever it was
    "client.started",  # an agent's process lives, and the store does not know it yet
    "client.recorded",
    "client.forgotten",
    "turn.released",  # the turn runs for the store; its agent has no prompt yet
    "prompt.handed",
    "call.booked",
    "boundary.answered",
    "permission.asked",
    "agent.answered",
    "turn.paused",
    "turn.settled",
    "post.sending",
    "post.sent",  # the service took a message; the store does not know it yet
    "post.receipted",
)
"""Every durable step that a gateway passes; crash tests kill it at each of them."""

BANK_STEPS = (
    "lease.asking",  # what the team's bank is asked for is noted, and was not sent
    "lease.answered",  # the bank has lent or renewed; the store does not know it yet
    "figures.reported",  # the bank has figures that the store still keeps for it
)
"""The same, of one that shares limits with others."""


def no_step(_name: str) -> None:
    """The gateway passes a named durable step; only crash tests listen."""
