"""``winchester check``: validate the configuration."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import Flag, load_configuration

if TYPE_CHECKING:
    from argparse import Namespace

    from winchester_core.config import Settings


class CheckCommand(ConfiguredCommand):
    """Check the configuration.

    Reads winchester.yaml and the files that it names, loads their plugins, compiles triggers, event
    definitions and pipelines, and prints how many there are. If there are problems, prints all
    problems of all files and exits with status 2. The database is accessed only with --database.
    """

    examples = ("winchester check -c /etc/winchester/winchester.yaml",)

    arguments = (
        Flag("--database", "also check that the database responds and has the required schema"),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Print a summary of the configuration, then ``OK``."""
        settings = load_configuration(parsed_args, needs=("database", "console"))
        for line in check_configuration(settings):
            print(line)
        if parsed_args.database:
            print(_check_database(settings))
            if settings.transaction_pooling:
                print("workers: poll for ready streams, because transactions are pooled")
        print("OK")
        return 0


def check_configuration(settings: Settings) -> list[str]:
    """Build every configured object and return the summary.

    Raises `ConfigurationError`, `PluginError`.
    """
    from winchester_core import bootstrap

    triggers = bootstrap.trigger_definitions(settings)
    pipelines = bootstrap.pipelines(settings)
    bootstrap.distiller(settings)
    bootstrap.worker_options(settings)
    bootstrap.open_database(settings).close()  # raises for a missing driver; does not connect
    definitions = settings.event_definitions.definitions if settings.event_definitions else ()
    handlers = sum(len(entries) for entries in settings.pipelines.values())
    return [
        f"configuration: {settings.name}",
        f"database: {settings.masked_database_url}",
        f"clock: {settings.clock}",
        f"event definitions: {len(definitions)}",
        f"mappings: {len(settings.mapping_definitions)}",
        f"triggers: {len(triggers)}",
        f"pipelines: {len(pipelines)}, with {handlers} handler{'' if handlers == 1 else 's'}",
        f"event sources: {len(settings.event_sources)}",
    ]


def _check_database(settings: Settings) -> str:
    """Return the schema's revision. Raises `SchemaMismatch`, `DatabaseUnavailable`."""
    from winchester_core import bootstrap
    from winchester_core.storage.sql.schema_migration import DatabaseSchema

    with closing(bootstrap.open_database(settings)) as database:
        schema = DatabaseSchema(database)
        schema.check()
        return f"schema: at revision {schema.required_revision}, as required by this program"
