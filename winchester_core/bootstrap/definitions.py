"""Compiled configuration: triggers, pipelines, distiller, worker options."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.config.console_access import parse_public_url
from winchester_core.distill import Distiller
from winchester_core.mapping import MappingSet
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.plugins import CONDITIONS, TRAIT_PLUGINS, PluginRegistry
from winchester_core.timex import parse
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.worker.options import WorkerOptions

if TYPE_CHECKING:
    from winchester_core.clock import Clock
    from winchester_core.config import Settings


def conditions() -> PluginRegistry:
    """Return the installed conditions."""
    return PluginRegistry(CONDITIONS)


def trigger_definitions(settings: Settings) -> list[TriggerDefinition]:
    """Return the compiled triggers, in the order of their file."""
    installed = conditions()
    return [
        TriggerDefinition.from_config(config, installed) for config in settings.trigger_definitions
    ]


def pipelines(settings: Settings) -> dict[str, PipelineDefinition]:
    """Return the pipelines by name."""
    return {
        name: PipelineDefinition(
            name,
            tuple(
                HandlerSpec(each.name, each.handler_class, each.params, each.receivers)
                for each in entries
            ),
        )
        for name, entries in settings.pipelines.items()
    }


def distiller(settings: Settings, clock: Clock | None = None) -> Distiller | None:
    """Return the distiller; None if no event definitions are configured.

    If a notification has no timestamp, it gets the time of `clock` (default: the host's clock).
    """
    if settings.event_definitions is None:
        return None
    return Distiller(
        list(settings.event_definitions.definitions),
        PluginRegistry(TRAIT_PLUGINS, settings.trait_plugin_aliases),
        catch_all=settings.catch_all_notifications,
        clock=clock,
    )


def mapping_set(settings: Settings) -> MappingSet:
    """Return the mappings of the configuration, and the ready mappings."""
    plugins = PluginRegistry(TRAIT_PLUGINS, settings.trait_plugin_aliases)
    return MappingSet(settings.mapping_definitions, plugins)


def worker_options(settings: Settings) -> WorkerOptions:
    """Return the options of workers."""
    return WorkerOptions(
        batch_size=settings.pipeline_worker_batch_size,
        idle_delay_seconds=settings.pipeline_worker_delay,
        lease=timedelta(seconds=settings.lease_seconds),
        concurrency=settings.worker_concurrency,
        pipeline_concurrency=settings.pipeline_concurrency,
        commit_batch=settings.commit_batch,
        pipeline_timeout_seconds=settings.pipeline_timeout,
        max_attempts=settings.max_attempts,
        retry_delay=timedelta(seconds=settings.retry_delay),
        retry_delay_max=timedelta(seconds=settings.retry_delay_max),
        outbox_batch_size=settings.outbox_batch_size,
        outbox_max_age=settings.outbox_max_age,
        purge_completed=settings.purge_completed_streams,
        trim_age=parse(settings.trim_events_age) if settings.trim_events else None,
        trim_batch_size=settings.trim_events_batch_size,
        activity_age=timedelta(days=settings.activity_days),
        statistics_period_seconds=settings.statistics_period,
        console_root=_console_root(settings.console_public_url),
    )


def _console_root(public_url: str | None) -> str | None:
    parsed = None if public_url is None else parse_public_url(public_url)
    return None if parsed is None else parsed.root
