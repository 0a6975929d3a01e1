"""Page of the site: processes, stream time, database, configuration, plugins and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.pages.lists import list_page
from winchester_core.console.pages.overview import processes_of
from winchester_core.console.pages.page import render, site_of
from winchester_core.console.resources import ACTIONS
from winchester_core.errors import SchemaMismatch
from winchester_core.inspection.plugins import USED_BY, plugin_rows, plugin_usage, time_zones_row
from winchester_core.inspection.settings import setting_rows
from winchester_core.model.process import Difference, ProcessKind
from winchester_core.plugins import GROUP_NOUNS
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.sql.schema_revision import SCHEMA_REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.config import Settings
    from winchester_core.console.site import Site
    from winchester_core.console.site_condition import SiteCondition
    from winchester_core.model.process import ProcessRecord

MAX_PROCESSES: Final = 200
NEWEST_ACTIONS: Final = 10

CLOCK_WORDS: Final[Mapping[str, str]] = {
    "system": "Stream time is the time of the host.",
    "event": "Stream time is the timestamp of the latest event: it advances only with new events.",
    "time_sync": "Stream time is the time that ingest publishes at the service.",
}

COMPARED: Final[Mapping[Difference, tuple[str, frozenset[ProcessKind], str]]] = {
    Difference.VERSION: (
        "versions of Winchester",
        frozenset(ProcessKind),
        "Restart the processes with the older version.",
    ),
    Difference.TRIGGERS: (
        "triggers",
        frozenset({ProcessKind.INGEST, ProcessKind.WORKER}),
        (
            "Events may be matched by other triggers than those by which their streams are "
            "processed. Reload the processes with the older configuration: winchester reload."
        ),
    ),
    Difference.PIPELINES: (
        "pipelines",
        frozenset({ProcessKind.WORKER}),
        (
            "The pipeline of a stream depends on the worker that claims it. Reload the workers "
            "with the older configuration: winchester reload."
        ),
    ),
}
"""For each difference: its plural, the kinds that are compared, and what to do."""


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """A lasting difference between processes, with the names of the processes by value."""

    plural: str
    remedy: str
    values: Mapping[str, Sequence[str]]


def site_page(request: Request) -> Response:
    """Return the page of the site."""
    site = site_of(request)
    condition = site.condition.get()
    settings = site.settings
    rows = setting_rows(settings)
    plugins = _plugins(settings)
    actions = site.store.find_actions(limit=NEWEST_ACTIONS, order=ListOrder.NEWEST)
    return render(
        request,
        "site.html",
        "site",
        now=condition.now,
        processes=processes_of(condition, MAX_PROCESSES),
        process_count=len(condition.processes),
        differences=_differences(condition),
        own_fingerprints={
            "triggers": settings.triggers_fingerprint,
            "pipelines": settings.pipelines_fingerprint,
        },
        clock=condition.clock,
        clock_words=CLOCK_WORDS[condition.clock],
        stream_time=condition.stream_time,
        stream_lag=condition.stream_lag,
        configuration=settings.name,
        warnings=settings.warnings,
        changed=[each for each in rows if not each.is_default],
        defaults=[each for each in rows if each.is_default],
        database_url=settings.masked_database_url,
        revision=SCHEMA_REVISION,
        schema_problem=_schema_problem(site),
        statistics=condition.statistics,
        condition_age=site.condition.age_seconds,
        statistics_age=site.statistics.age_seconds,
        counted_up_to=condition.statistics.counted_up_to,
        used_plugins=[each for each in plugins if each["problem"] or each[USED_BY]],
        other_plugins=[each for each in plugins if not (each["problem"] or each[USED_BY])],
        nouns=GROUP_NOUNS,
        actions=actions,
    )


def actions_page(request: Request) -> Response:
    """Return the list of the actions of operators."""
    return list_page(request, ACTIONS, "actions.html", "site")


def _plugins(settings: Settings) -> list[dict[str, Any]]:
    """Return the installed plugins: those with a problem, those in use, the others."""
    usage = plugin_usage(settings)
    rows = [*plugin_rows(GROUP_NOUNS, usage), time_zones_row(usage)]
    return sorted(rows, key=lambda row: (not row["problem"], not row[USED_BY]))


def _schema_problem(site: Site) -> str:
    """Return why the schema of the database is not that of this program, or no text."""
    try:
        site.store.check()
    except SchemaMismatch as error:
        return str(error)
    return ""


def _differences(condition: SiteCondition) -> list[ShownDifference]:
    """Return the lasting differences, each with the running processes by value."""
    return [
        ShownDifference(plural, remedy, _by_value(condition, difference, kinds))
        for difference in condition.differences
        for plural, kinds, remedy in [COMPARED[difference]]
    ]


def _by_value(
    condition: SiteCondition, difference: Difference, kinds: frozenset[ProcessKind]
) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for each in condition.processes:
        value = _value(each, difference)
        if value is not None and each.kind in kinds and not each.is_gone(condition.now):
            names.setdefault(value, []).append(_process_name(each))
    return names


def _value(process: ProcessRecord, difference: Difference) -> str | None:
    match difference:
        case Difference.VERSION:
            return process.version
        case Difference.TRIGGERS:
            return process.triggers_fingerprint
        case Difference.PIPELINES:
            return process.pipelines_fingerprint


def _process_name(process: ProcessRecord) -> str:
    return f"{process.kind.value} {process.name} on {process.host}"
