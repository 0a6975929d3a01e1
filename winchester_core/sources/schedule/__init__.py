"""The `schedule` source: events at the times of a cron expression."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.schedule.source import ScheduleSource
except ImportError as error:
    raise PluginError.missing_extra(
        "winchester.event_sources", "schedule", "schedule", error
    ) from error

__all__ = ["ScheduleSource"]
