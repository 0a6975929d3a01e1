"""GET operations of the API: lists, single objects, explanations, activity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.api.operations import PREFIX, ApiRequest, Operation
from winchester_core.console.lists import (
    list_parameters,
    parse_list_request,
    read_list,
)
from winchester_core.console.parameters import ID, TIME, Parameter, parse_id
from winchester_core.console.problems import not_found
from winchester_core.inspection.activity_series import activity_series
from winchester_core.inspection.event_explanation import explain_stored_event
from winchester_core.inspection.plugins import plugin_rows, plugin_usage, time_zones_row
from winchester_core.inspection.processes import flat_process
from winchester_core.inspection.stream_explanation import explain_stream
from winchester_core.inspection.triggers import describe_trigger
from winchester_core.inspection.values import flat_object, parse_time_before, to_json_value
from winchester_core.plugins import GROUP_NOUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site

MESSAGE_ID_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 255}
SINCE: Final = Parameter(
    "since",
    "the activity since this time, or for this duration (real time); default: 1h",
    TIME,
    lambda site, text: parse_time_before(text, site.store.real_time),
)


def list_objects(resource: Resource, site: Site, request: ApiRequest) -> dict[str, Any]:
    """Return a page of a list."""
    found = read_list(site, resource, parse_list_request(site, resource, request.query))
    return {"items": found.items, "next": found.next, "previous": found.previous}


def get_object(
    get: Callable[[Site, str], dict[str, Any]], site: Site, request: ApiRequest
) -> dict[str, Any]:
    """Return one object, whole."""
    request.query.check_names(())
    return get(site, request.path["id"])


def _stream_explanation(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    stream_id = parse_id(request.path["id"], "stream")
    return explain_stream(site.store, site.definitions, stream_id, site.current_time())


def _stream_history(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    stream = site.store.get_stream_by_id(parse_id(request.path["id"], "stream"))
    return {
        **flat_object(stream, "id state attempts failures worker lease_until retry_at"),
        "history": [flat_object(each, "at state worker") for each in stream.history],
        "last_error": stream.last_error,
    }


def _event_explanation(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    event = site.store.get_event_by_message_id(request.path["id"])
    return explain_stored_event(site.store, site.definitions, event, site.current_time())


def _triggers(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    streams = site.statistics.get().streams
    return {
        "items": [
            {
                "name": name,
                **{key: item for key, item in _trigger(site, name).items() if key != "name"},
                "streams": to_json_value(streams.get(name, {})),
            }
            for name in site.definitions
        ],
        "not_configured": {
            name: to_json_value(states)
            for name, states in sorted(streams.items())
            if name not in site.definitions
        },
        "counted_seconds_ago": round(site.statistics.age_seconds, 1),
    }


def _trigger(site: Site, name: str) -> dict[str, Any]:
    return describe_trigger(site.trigger_configs[name], site.definitions[name])


def _one_trigger(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    name = request.path["name"]
    if name not in site.definitions:
        raise not_found(f"no trigger is named {name!r}")
    debug = site.store.debug_counts().get(name)
    return {
        **_trigger(site, name),
        "streams": to_json_value(site.statistics.get().streams.get(name, {})),
        "counted_seconds_ago": round(site.statistics.age_seconds, 1),
        "debug": None
        if debug is None
        else flat_object(debug, "matched mismatched reasons since counted_at"),
    }


def _processes(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    now = site.store.real_time()
    return {"items": [flat_process(each, now) for each in site.store.find_processes()]}


def _plugins(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(())
    usage = plugin_usage(site.settings)
    return {"items": [*plugin_rows(GROUP_NOUNS, usage), time_zones_row(usage)]}


def _stats(site: Site, request: ApiRequest) -> dict[str, Any]:
    request.query.check_names(("since",))
    now = site.store.real_time()
    text = request.query.one("since") or "1h"
    since: datetime = SINCE.parse(site, text)
    return {"items": list(activity_series(site.store, since, now))}


def _lists(resource: Resource) -> Operation:
    return Operation(
        "GET",
        f"{PREFIX}/{resource.name}",
        resource.name,
        f"List {resource.plural}",
        partial(list_objects, resource),
        f"{resource.schema_name}List",
        parameters=list_parameters(resource),
    )


def _gets(
    path: str,
    tag: str,
    summary: str,
    handle: Callable[[Site, ApiRequest], Any],
    result: str,
    id_schema: Mapping[str, Any] | None = ID,
) -> Operation:
    return Operation(
        "GET",
        f"{PREFIX}/{path}",
        tag,
        summary,
        handle,
        result,
        path_schemas={} if id_schema is None else {"id": id_schema},
        problems=() if id_schema is None else (404,),
    )
