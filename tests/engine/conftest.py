"""What the engine's tests share: a PostgreSQL for the team's bank."""

from tests.bank.conftest import postgres, schema_url

__all__ = ["postgres", "schema_url"]
