"""A program that embeds the library: its settings, triggers, events and handlers."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from winchester_core import PipelineManager, TriggerManager, bootstrap, load_settings, open_store
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winchester_core import ReadStore
    from winchester_core.storage.interface import Store

AUGUST = datetime(2014, 8, 1, 17, 16, 15, 14, tzinfo=UTC)


def make_trigger(**keys: Any) -> dict[str, Any]:
    """Return a trigger that collects `test.*` by instance and fires on `test.thing`."""
    return {
        "name": "test_trigger",
        "distinguished_by": ["instance_id"],
        "match_criteria": [{"event_type": "test.*"}],
        "fire_criteria": [{"event_type": "test.thing"}],
        "expiration": "$last + 1d",
        "fire_pipeline": "fire",
        "expire_pipeline": "expire",
        **keys,
    }


def make_event(
    message_id: str, event_type: str = "test.start", at: datetime = AUGUST, **traits: Any
) -> dict[str, Any]:
    """Return an event of the instance `i-1`."""
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": at,
        "instance_id": "i-1",
        **traits,
    }


class ScriptedHandler:
    """A handler that records its calls, and fails in the phase `fails_in`."""

    def __init__(self, name: str = "", calls: list[str] | None = None, fails_in: str = "") -> None:
        self.name, self.fails_in = name, fails_in
        self.calls: list[str] = [] if calls is None else calls
        self.events: list[dict[str, Any]] = []
        self.env: dict[str, Any] = {}
        self.adds: list[dict[str, Any]] = []

    def _enter(self, phase: str) -> None:
        self.calls.append(f"{self.name} {phase}".strip())
        if phase == self.fails_in:
            raise ValueError(f"{phase} of {self.name} fails")

    def handle_events(
        self, events: list[dict[str, Any]], env: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Record the events and `env`; add the events `adds`."""
        self._enter("handle_events")
        self.events, self.env = list(events), env
        return [*events, *self.adds]

    def commit(self) -> None:
        """Record the call."""
        self._enter("commit")

    def rollback(self) -> None:
        """Record the call."""
        self._enter("rollback")


def create_database(path: Path) -> Path:
    """Create an SQLite database with all tables; return `path`."""
    settings = load_settings({"database": {"url": f"sqlite:///{path}"}})
    with closing(bootstrap.open_database(settings)) as database:
        DatabaseSchema(database).upgrade()
    return path


class EmbeddingProgram:
    """Managers of one database on the event clock; closes them at its end."""

    def __init__(self, database: Path | str) -> None:
        """Use the database in an SQLite file, or with a URL. Its tables must exist."""
        url = database if isinstance(database, str) else f"sqlite:///{database}"
        self.settings: dict[str, Any] = {
            "database": {"url": url},
            "clock": "event",
            "event_clock_max_jump": "off",
            "purge_completed_streams": False,
        }
        self._stack = ExitStack()
        self._store: Store | None = None

    def ingest(self, *triggers: Mapping[str, Any], **settings: Any) -> TriggerManager:
        """Return a manager with these triggers and further settings."""
        content = {**self.settings, "trigger_definitions": list(triggers), **settings}
        return self._stack.enter_context(TriggerManager(content))

    def worker(
        self,
        *triggers: Mapping[str, Any],
        handlers: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> PipelineManager:
        """Return a worker whose pipelines `fire` and `expire` consist of `handlers`."""
        given = {"mine": ScriptedHandler()} if handlers is None else handlers
        content = {
            **self.settings,
            "trigger_definitions": list(triggers),
            "pipeline_config": {name: list(given) for name in ("fire", "expire")},
            **settings,
        }
        return self._stack.enter_context(closing(PipelineManager(content, pipeline_handlers=given)))

    @property
    def store(self) -> ReadStore:
        """The store, for queries."""
        if self._store is None:
            self._store = self._stack.enter_context(closing(open_store(self.settings)))
        return self._store

    def advance(self, to: datetime) -> None:
        """Advance stream time by an event that no trigger collects."""
        self.ingest().add_event(make_event(f"tick {to.isoformat()}", "clock.tick", to))

    def collected(self, criterion: Mapping[str, Any], *events: dict[str, Any]) -> set[str]:
        """Return the ids of the events that a trigger with this match criterion collects."""
        by_id = make_trigger(match_criteria=[criterion], distinguished_by=["message_id"])
        self.ingest(by_id).add_events(events)
        return {each.distinguished_by["message_id"] for each in self.store.find_streams()}

    def ids(self, stream_id: int) -> list[str]:
        """Return the message ids of a stream's events."""
        return [each["message_id"] for each in self.store.get_stream_events(stream_id)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
