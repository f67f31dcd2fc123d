"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `gateway.store.migrate` brings."""

from alembic import context

from gateway.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
