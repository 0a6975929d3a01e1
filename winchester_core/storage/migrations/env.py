"""Run by alembic: migrates online through a connection, or prints SQL for a dialect."""

from __future__ import annotations

from alembic import context

from winchester_core.storage.sql.tables import metadata_for_ddl


def run() -> None:
    """Migrate with the configuration from `winchester_core.storage.sql.schema_migration`."""
    attributes = context.config.attributes
    if context.is_offline_mode():
        context.configure(
            dialect_name=attributes["dialect_name"],
            target_metadata=metadata_for_ddl(),
            literal_binds=True,
        )
    else:
        context.configure(connection=attributes["connection"], target_metadata=metadata_for_ddl())
    with context.begin_transaction():
        context.run_migrations()


run()
