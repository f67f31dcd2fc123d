"""`[history]`: what the estimates learn from beside the gateway's own turns."""

from gateway.config.values import Section


class HistorySettings(Section):
    """What was there before the gateway."""

    read_logs: bool = True
    """Whether the gateway reads the logs that agents keep on this machine, at its start and once a day."""
