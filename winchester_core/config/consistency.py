"""Checks that concern more than one setting, or more than one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.config.triggers import PIPELINE_KEYS
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.config.document import Document
    from winchester_core.config.report import Report


def check_clock(document: Document, values: Mapping[str, Any], report: Report) -> str:
    """Return the clock that the settings mean: an endpoint alone means `time_sync`."""
    clock, endpoint = values["clock"], values["time_sync_endpoint"]
    if clock is None:
        return "time_sync" if endpoint else "system"
    if clock == "time_sync" and not endpoint:
        message = "the time_sync clock asks a time service: set time_sync_endpoint to its URL"
        report.add(document, ("clock",), message)
    elif clock != "time_sync" and endpoint:
        message = f"has no effect, since the clock is {clock!r}"
        report.warn(document, ("time_sync_endpoint",), message, at_key=True)
    return str(clock)


def check_retry(document: Document, values: Mapping[str, Any], report: Report) -> None:
    """The longest wait is no shorter than the first."""
    first, longest = values["retry_delay"], values["retry_delay_max"]
    if longest < first:
        message = f"expected at least retry_delay, which is {first:g} s, not {longest:g} s"
        report.add(document, ("retry_delay_max",), message)


def check_pipeline_names(triggers: Document, pipelines: Document, report: Report) -> None:
    """Every pipeline that a trigger names is defined."""
    defined = pipelines.value()
    entries = triggers.value()
    known = set(defined) if isinstance(defined, dict) else set()
    for index, trigger in enumerate(entries if isinstance(entries, list) else ()):
        for key in PIPELINE_KEYS:
            name = trigger.get(key) if isinstance(trigger, dict) else None
            if isinstance(name, str) and name and name not in known:
                hint = suggestion(name, known, "defined")
                message = f"no pipeline is named {name!r} in {pipelines.name}; {hint}"
                report.add(triggers, (index, key), message)
