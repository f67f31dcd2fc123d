"""A chart as it is drawn: from what was spent to what stands where."""

from datetime import tzinfo

from gateway.core import period_chart, session_chart
from gateway.core.scene import Scene
from gateway.domain.charts import PeriodChart, SessionChart


def scene(chart: SessionChart | PeriodChart, zone: tzinfo) -> Scene:
    """The picture of it, in pixels; times are those of the zone."""
    return session_chart.scene(chart, zone) if isinstance(chart, SessionChart) else period_chart.scene(chart, zone)
