"""Pipelines document: a mapping from names of pipelines to their handlers, in order."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from voluptuous import All, Optional, Required, Schema

from winchester_core.config.errors import INVALID, validate
from winchester_core.config.plugin_entries import check_params, find_repeated_params, load_plugin
from winchester_core.config.settings import HandlerEntry
from winchester_core.config.validators import text
from winchester_core.interfaces.params import UnexpectedValue, expected
from winchester_core.model.effect import receiver_endpoint
from winchester_core.plugins import HANDLERS, installed_plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.config.document import Document, DocumentPath
    from winchester_core.config.errors import ProblemReport

RECEIVER_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
HANDLER_METHODS = ("handle_events", "commit", "rollback")
HANDLER_ENTRY_SCHEMA = Schema(
    {
        Required("name", description="an installed handler, or a local name"): text,
        Optional("params", description="parameters, defined by the handler's schema"): object,
    }
)


def handler_entry(value: Any) -> Any:
    """Convert a handler's name, or mapping of name and params, to a mapping."""
    if isinstance(value, str) and value:
        return {"name": value}
    if isinstance(value, dict):
        return value
    raise UnexpectedValue("expected the name of a handler, or a mapping of 'name' and 'params'")


PIPELINES_SCHEMA = Schema({text: expected("a list of handlers", list)})


def read_pipelines(
    document: Document,
    aliases: Mapping[str, str],
    given: Mapping[str, Any],
    report: ProblemReport,
) -> Mapping[str, tuple[HandlerEntry, ...]]:
    """Return the pipelines by name, with handlers loaded and params checked.

    `aliases` are the local names in `pipeline_handlers`, and `given` the handlers of the program.
    Names of entry points are also valid. Invalid entries are reported and omitted.
    """
    pipelines = document.value()
    if pipelines is None:
        return MappingProxyType({})
    if validate(document, PIPELINES_SCHEMA, report) is INVALID and not isinstance(pipelines, dict):
        return MappingProxyType({})
    handlers_by_name = {}
    for name, entries in pipelines.items():
        if isinstance(entries, list):
            sections = [document.section(name, index) for index in range(len(entries))]
            handlers = [_read_handler(each, aliases, given, report) for each in sections]
            _report_repeated_params(sections, handlers, report)
            _report_shared_endpoints(sections, handlers, report)
            handlers_by_name[name] = tuple(each for each in handlers if each is not None)
    return MappingProxyType(handlers_by_name)


def warn_unused_aliases(
    document: Document, aliases: Mapping[str, str], pipelines: Document, report: ProblemReport
) -> None:
    """Warn of unused local names in `document` for handlers that are not installed."""
    used = set(_handler_names(pipelines.value()))
    installed = installed_plugins(HANDLERS)
    for alias, name in aliases.items():
        if alias not in used and name not in installed:
            message = f"no handler {name!r} is installed; no pipeline uses it"
            report.warn(document, ("pipeline_handlers", alias), message)


def _handler_names(pipelines: Any) -> Iterable[str]:
    """Yield the names of handlers in all entries, valid or not."""
    for entries in pipelines.values() if isinstance(pipelines, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            name = entry.get("name") if isinstance(entry, dict) else entry
            if isinstance(name, str):
                yield name


def _read_handler(
    document: Document,
    aliases: Mapping[str, str],
    given: Mapping[str, Any],
    report: ProblemReport,
) -> HandlerEntry | None:
    value = validate(document, Schema(All(handler_entry, HANDLER_ENTRY_SCHEMA)), report)
    if value is INVALID:
        return None
    name = value["name"]
    path = ("name",) if document.node(("name",)) else ()
    if name in given:
        plugin_name = name
        handler = _handler_class(document, path, name, given[name], report)
    else:
        plugin_name = aliases.get(name, name)
        handler = load_plugin(document, path, HANDLERS, plugin_name, HANDLER_METHODS, report)
    if handler is None:
        return None
    label = f"the handler {plugin_name!r}"
    params = check_params(document.mapping("params"), handler, label, report)
    if params is INVALID:
        return None
    types = _declared(document, handler, "emitted_event_types", params, label, report)
    receivers = _declared(document, handler, "effect_receivers", params, label, report)
    if not all(map(RECEIVER_NAME.fullmatch, receivers)) or len({*receivers}) < len(receivers):
        message = "returned names that are not unique, or not of 1 to 64 letters, digits and . _ -"
        report.add(document, (), f"effect_receivers of {label} {message}")
        return None
    return HandlerEntry(name, plugin_name, handler, params, types, receivers)


def _declared(
    document: Document,
    handler: Any,
    method: str,
    params: Mapping[str, Any],
    label: str,
    report: ProblemReport,
) -> tuple[str, ...]:
    """Return the names that the handler declares by a method; it may lack the optional method.

    If the method fails, reports a problem and returns no names.
    """
    declare = getattr(handler, method, None)
    if declare is None:
        return ()
    try:
        names = tuple(declare(params))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the method is the plugin's code
        cause = f"{type(error).__name__}: {error}"
        report.add(document, (), f"{method} of {label} failed: {cause}")
        return ()
    if all(isinstance(each, str) for each in names):
        return names
    report.add(document, (), f"{method} of {label} returned values other than text")
    return ()


def _report_repeated_params(
    sections: Sequence[Document], entries: Sequence[HandlerEntry | None], report: ProblemReport
) -> None:
    """Report values of `unique_params` that an earlier entry of the same handler has, too."""
    found = [
        (document, entry)
        for document, entry in zip(sections, entries, strict=True)
        if entry is not None
    ]
    params = [(entry.handler_class, entry.params) for _, entry in found]
    for index, param, first in find_repeated_params(params):
        document, entry = found[index]
        mark = found[first][0].mark(("params", param))
        place = f"on line {mark.line}" if mark else "of an earlier entry"
        message = f"is also the {param} of the {entry.name!r} {place}: it must be unique"
        report.add(document, ("params", param), f"{message} in a pipeline")


def _report_shared_endpoints(
    sections: Sequence[Document], entries: Sequence[HandlerEntry | None], report: ProblemReport
) -> None:
    """Report entries whose name is also that of another entry's receiver in lists of effects."""
    receivers = {
        receiver_endpoint(entry.name, receiver)
        for entry in entries
        if entry is not None
        for receiver in entry.receivers
    }
    for document, entry in zip(sections, entries, strict=True):
        if entry is not None and entry.name in receivers:
            message = f"the name {entry.name!r} is also that of a receiver of another handler"
            report.add(document, ("name",), f"{message} in this pipeline")


def _handler_class(
    document: Document, path: DocumentPath, name: str, given: Any, report: ProblemReport
) -> Any:
    """Return a handler of the program as a class, or None after reporting a problem at `path`."""
    missing = [each for each in HANDLER_METHODS if not callable(getattr(given, each, None))]
    if not missing:
        return given if isinstance(given, type) else HandlerObject(given)
    if callable(given) and not isinstance(given, type):
        return given
    methods = " and no method ".join(missing)
    report.add(document, path, f"the handler {name!r} of this program has no method {methods}")
    return None


class HandlerObject:
    """Takes the place of a handler's class, and returns the same object for every run.

    The object may keep the state of a run, so runs are not in progress at the same time.
    """

    config_schema = Schema({})
    commit_alone = True
    is_shared = True

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __call__(self) -> Any:
        return self._handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)
