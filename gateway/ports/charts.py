"""What draws pictures of spending."""

from collections.abc import Awaitable, Callable
from datetime import tzinfo

from gateway.domain.charts import PeriodChart, SessionChart

Draw = Callable[[SessionChart | PeriodChart, tzinfo], Awaitable[bytes | None]]
"""A chart as a PNG, its times in this zone; None: there is no picture, and the log says why."""
