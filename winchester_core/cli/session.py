"""A command's connection to the store, its time options, and the configured triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import ALL_BUT_DATABASE, load_configuration
from winchester_core.inspection.values import parse_time_before
from winchester_core.service.exit import UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection
    from datetime import datetime
    from typing import Self

    from winchester_core.config import Part, Settings
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition


class StoreSession:
    """Context manager with the configuration and, while entered, the open store.

    Parts of the configuration in `ignores` are not read. If `settings` is given, nothing is loaded.
    Raises `ConfigurationError`; entering raises `SchemaMismatch` or `DatabaseUnavailable`.
    """

    store: Store

    def __init__(
        self,
        args: Namespace,
        *,
        ignores: Collection[Part] = ALL_BUT_DATABASE,
        settings: Settings | None = None,
    ) -> None:
        self.args = args
        self.settings = settings or load_configuration(args, ignores=ignores)

    def __enter__(self) -> Self:
        from winchester_core.bootstrap import open_store

        self.store = open_store(self.settings)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.store.close()

    def stream_time(self) -> datetime | None:
        """Return stream time; None while it is unknown."""
        from winchester_core.bootstrap import stream_clock

        return stream_clock(self.settings, self.store).now()

    def now(self) -> datetime:
        """Return stream time. Raises `UsageError` while it is unknown."""
        now = self.stream_time()
        if now is None:
            raise UsageError("stream time is not known yet: give a time, not a duration")
        return now

    def parse_time(self, text: str | None) -> datetime | None:
        """Parse an option's value, a time or a duration before stream time; None if absent."""
        return None if text is None else parse_time_before(text, self.now)

    def parse_real_time(self, text: str | None) -> datetime | None:
        """Parse a time or a duration before the database server's time; None if absent."""
        return None if text is None else parse_time_before(text, self.store.real_time)


ALL_BUT_TRIGGERS: Final[tuple[Part, ...]] = ("pipelines", "distiller", "sources")


def load_triggers(settings: Settings) -> dict[str, TriggerDefinition]:
    """Return the configured triggers, compiled, by name in the order of their file."""
    from winchester_core.bootstrap import trigger_definitions

    return {each.name: each for each in trigger_definitions(settings)}


def find_trigger(settings: Settings, name: str) -> TriggerDefinition:
    """Return the configured trigger called `name`. Raises `UsageError` for an unknown name."""
    triggers = load_triggers(settings)
    if name not in triggers:
        hint = suggestion(name, triggers, "there are")
        raise UsageError(f"no trigger is named {name!r}; {hint}")
    return triggers[name]
