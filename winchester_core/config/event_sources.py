"""The setting `event_sources`: a mapping of a name to a source plugin and its params."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from winchester_core.config.plugin_params import check_params, load_plugin
from winchester_core.config.schema import SOURCE_SCHEMA
from winchester_core.config.settings import SourceEntry
from winchester_core.config.validation import INVALID, validate
from winchester_core.plugins import EVENT_SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.config.document import Document
    from winchester_core.config.report import Report

METHODS = ("open", "receive", "ack", "release", "reject", "close")


def read_event_sources(
    document: Document, batch_size: int, report: Report
) -> Mapping[str, SourceEntry]:
    """Return the sources by name, with plugins loaded and params checked.

    `document` is the mapping under `event_sources`; `batch_size` holds for a source that has
    none of its own. What is wrong goes to `report` and is left out.
    """
    names = document.root.children if isinstance(document.root.children, dict) else {}
    entries = (_entry(document.section(name), str(name), batch_size, report) for name in names)
    return MappingProxyType({entry.name: entry for entry in entries if entry is not None})


def _entry(document: Document, name: str, batch_size: int, report: Report) -> SourceEntry | None:
    value = validate(document, SOURCE_SCHEMA, report)
    if value is INVALID:
        return None
    plugin_name = value["source"]
    source = load_plugin(document, ("source",), EVENT_SOURCES, plugin_name, METHODS, report)
    if source is None:
        return None
    params = check_params(
        document.mapping("params"), source, f"the event source {plugin_name!r}", report
    )
    if params is INVALID:
        return None
    return SourceEntry(name, plugin_name, source, params, value.get("batch_size", batch_size))
