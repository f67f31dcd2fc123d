"""What draws pictures of spending."""

from collections.abc import Awaitable, Callable
from datetime import tzinfo

from gateway.domain.charts import PeriodChart, SessionChart
from gateway.ports.base import TollbridgeError


class DrawError(TollbridgeError):
    """There is no picture: what draws is missing, failed or took too long. The message says which."""


Draw = Callable[[SessionChart | PeriodChart, tzinfo], Awaitable[bytes]]
"""A chart as a PNG, its times in this zone. Raises DrawError."""
