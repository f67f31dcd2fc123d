"""What a call costs by the list."""

from datetime import date
from typing import Protocol

from gateway.domain.usage import Rates, Unpriced


class Prices(Protocol):
    """List prices, resolved once per (model, date, tier)."""

    @property
    def source(self) -> str:
        """Where they are published, and of which version or day they are, in words."""
        ...

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced: ...
