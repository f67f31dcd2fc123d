"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `gateway.bank.migrate` brings."""

from alembic import context

from gateway.bank.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
