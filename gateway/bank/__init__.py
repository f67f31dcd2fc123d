"""Limits that gateways share, behind the `Bank` port: in a file for one machine, in PostgreSQL for a team; `open_bank`,
`migrate_bank`.
"""

from gateway.bank.bank import SqlBank, migrate_bank, open_bank

__all__ = ["SqlBank", "migrate_bank", "open_bank"]
