"""What every port is made of."""

from typing import Final

from gateway.domain.errors import TollbridgeError

__all__ = ["AGENT_MARK", "TollbridgeError"]

AGENT_MARK: Final = "TOLLBRIDGE_AGENT"
"""In the environment of everything that an agent starts: the path of its session's journal."""
