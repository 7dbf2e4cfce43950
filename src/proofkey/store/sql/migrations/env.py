"""Alembic's entry: runs the migrations on the connection that `proofkey.store.sql.migrate` opened."""

from alembic import context

from proofkey.store.sql.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
