"""Schema revisions through alembic: upgrade, downgrade, stamp, inspect, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from winchester_core.errors import StorageError
from winchester_core.storage.sql.schema_revision import (
    SCHEMA_REVISION,
    check_schema_revision,
    current_revision,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


class DatabaseSchema:
    """The revisions of one database's schema."""

    def __init__(self, database: Database, output: TextIO | None = None) -> None:
        self._database = database
        self._config = Config(stdout=output) if output else Config()
        self._config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        self._config.set_main_option("path_separator", "os")
        self._config.attributes["dialect_name"] = database.engine.dialect.name
        if output is not None:
            self._config.output_buffer = output

    @property
    def required_revision(self) -> str:
        """The revision that this program requires."""
        return SCHEMA_REVISION

    def current_revision(self) -> str | None:
        """Return the revision of the database, or None if it has no tables yet."""
        return current_revision(self._database)

    def check(self) -> None:
        """Raise `SchemaMismatch` unless the database has the program's revision."""
        check_schema_revision(self._database)

    def upgrade(self, revision: str = "head") -> None:
        """Migrate up to `revision`. Raises `StorageError` if it is unknown."""
        self._migrate(lambda: command.upgrade(self._config, revision))

    def downgrade(self, revision: str) -> None:
        """Migrate down to `revision`; `base` removes all tables."""
        self._migrate(lambda: command.downgrade(self._config, revision))

    def stamp(self, revision: str) -> None:
        """Record `revision` as the revision of the database, without migrating."""
        self._migrate(lambda: command.stamp(self._config, revision))

    def print_upgrade(self, revision: str = "head") -> None:
        """Print the SQL that upgrades an empty database, without running it."""
        self._run_alembic(lambda: command.upgrade(self._config, revision, sql=True))

    def print_downgrade(self, revision: str) -> None:
        """Print the SQL of a downgrade, given as FROM:TO, without running it."""
        self._run_alembic(lambda: command.downgrade(self._config, revision, sql=True))

    def history(self) -> list[tuple[str, str]]:
        """Return all revisions with their titles, newest first."""
        script = ScriptDirectory.from_config(self._config)
        return [(each.revision, each.doc) for each in script.walk_revisions()]

    def _migrate(self, action: Callable[[], None]) -> None:
        def work(connection: Connection) -> None:
            self._config.attributes["connection"] = connection
            self._run_alembic(action)

        self._database.migrate(work)

    def _run_alembic(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CommandError as error:
            raise StorageError(f"alembic: {error}") from error
