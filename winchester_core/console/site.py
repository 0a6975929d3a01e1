"""The site that a console shows: its store, configuration and clock."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from winchester_core.bootstrap import (
    make_ingester,
    open_store,
    stream_clock,
    trigger_definitions,
)
from winchester_core.console.activity import PERIODS, read_activity
from winchester_core.console.site_condition import MAX_COUNTED, read_condition
from winchester_core.errors import QueryTimeout
from winchester_core.storage.database_limits import DatabaseLimits
from winchester_core.telemetry.counters import Counters
from winchester_core.telemetry.metrics import LabelValues
from winchester_core.telemetry.ttl_cache import TtlCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from winchester_core.config import Settings
    from winchester_core.console.activity import Activity
    from winchester_core.console.options import ConsoleOptions
    from winchester_core.console.site_condition import SiteCondition
    from winchester_core.ingest.ingester import Ingester
    from winchester_core.model.statistics import Replica, StoreStatistics
    from winchester_core.triggers.definition import TriggerDefinition

STATISTICS_SECONDS: Final = 10.0
"""Minimum age of cached statistics before they are read again."""


class Site:
    """The store, the configuration and the clock of a site, and cached statistics.

    Thread-safe. Raises `SchemaMismatch` or `DatabaseUnavailable`.
    """

    def __init__(self, settings: Settings, options: ConsoleOptions) -> None:
        self.options = options
        self.counters = Counters()
        self.store = open_store(
            settings, self.counters, limits=DatabaseLimits(), read_only_allowed=True
        )
        self._clock = stream_clock(settings, self.store)
        self.statistics: TtlCache[StoreStatistics] = TtlCache(
            self._read_statistics, ttl_seconds=STATISTICS_SECONDS, adaptive=True
        )
        self.condition: TtlCache[SiteCondition] = TtlCache(
            self._read_condition, ttl_seconds=STATISTICS_SECONDS, adaptive=True
        )
        self.activity: Mapping[str, TtlCache[Activity]] = {
            period: TtlCache(
                partial(read_activity, self.store, length),
                ttl_seconds=STATISTICS_SECONDS,
                adaptive=True,
            )
            for period, length in PERIODS.items()
        }
        """Activity up to now, by the name of its period."""
        self.replica: TtlCache[Replica | None] = TtlCache(self.store.replica)
        self.reload(SiteConfiguration(settings))

    def reload(self, configuration: SiteConfiguration) -> None:
        """Show another configuration."""
        self._configuration = configuration

    def close(self) -> None:
        """Close all connections."""
        self.store.close()

    @property
    def settings(self) -> Settings:
        """The configuration."""
        return self._configuration.settings

    @property
    def definitions(self) -> Mapping[str, TriggerDefinition]:
        """The configured triggers, compiled, by name in the order of their file."""
        return self._configuration.definitions

    @property
    def trigger_configs(self) -> Mapping[str, Mapping[str, Any]]:
        """The configured triggers by name, as mappings with the keys of their file."""
        return self._configuration.trigger_configs

    @property
    def label_values(self) -> LabelValues:
        """Configured names, for the labels of metrics."""
        return LabelValues(self.definitions.keys())

    def current_time(self) -> datetime | None:
        """Return stream time; None while it is unknown."""
        return self._clock.now()

    @contextmanager
    def ingester(self) -> Iterator[Ingester]:
        """Within the context, provide an ingester of this site, to retry rejected messages."""
        ingester = make_ingester(self.settings, self.store, self._clock)
        try:
            yield ingester
        finally:
            ingester.debug.close()

    def _read_statistics(self) -> StoreStatistics:
        now = self.current_time()
        try:
            return self.store.statistics(now)
        except QueryTimeout:
            return self.store.statistics(now, up_to=MAX_COUNTED)

    def _read_condition(self) -> SiteCondition:
        return read_condition(
            self.store,
            self._clock.kind,
            self.statistics.get(),
            self.definitions,
            self.current_time(),
        )


class SiteConfiguration:
    """The reloadable part of a site."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.definitions = {each.name: each for each in trigger_definitions(settings)}
        self.trigger_configs = {each["name"]: each for each in settings.trigger_definitions}
