"""What every port is made of."""

from typing import Final

AGENT_MARK: Final = "TOLLBRIDGE_AGENT"
"""In the environment of everything that an agent starts: the path of its session's journal."""


class TollbridgeError(Exception):
    """Something a person has to mend; the message says what is wrong and what to do. Every adapter raises only these."""
