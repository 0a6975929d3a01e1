"""GET operations of the API: lists, single objects, explanations, activity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.api.operations import PREFIX, ApiRequest, Operation
from winchester_core.console.lists import (
    PAGING_PARAMETERS,
    STREAM_PART_EVENTS,
    items_that_fit,
    list_parameters,
    parse_list_request,
    read_list,
    stream_events_request,
)
from winchester_core.console.parameters import (
    ID,
    TIME,
    TRIGGER_NAME,
    QueryParameter,
    parse_id,
    text_parameter,
)
from winchester_core.console.problems import not_found
from winchester_core.console.resources import EVENTS, OUTBOX, REJECTED, RESOURCES, STREAMS
from winchester_core.inspection.activity_series import activity_series
from winchester_core.inspection.event_explanation import explain_stored_event
from winchester_core.inspection.plugins import plugin_rows, plugin_usage, time_zones_row
from winchester_core.inspection.processes import flat_process
from winchester_core.inspection.statistics import flat_statistics
from winchester_core.inspection.stream_explanation import ExplanationBounds, explain_stream
from winchester_core.inspection.streams import history_of
from winchester_core.inspection.triggers import describe_trigger
from winchester_core.inspection.values import flat_object, parse_time_before, to_json_value
from winchester_core.model.json import flat_event
from winchester_core.plugins import GROUP_NOUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.console.lists import ListRequest
    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site

BOUNDS: Final = ExplanationBounds(events=4_000, streams=2_000)
MAX_EXPLAINED_STREAMS: Final = 1_000
"""Maximum number of streams in the explanation of an event."""

MESSAGE_ID: Final = {"type": "string", "minLength": 1, "maxLength": 255}
MAX_UNKNOWN: Final = 1_000
"""Maximum number of triggers that are not configured in the list of triggers."""

AFTER: Final = text_parameter("after", "only the triggers after this one, in the order of the file")
SINCE: Final = QueryParameter(
    "since",
    "the activity since this time, or for this duration (real time); default: 1h",
    TIME,
    lambda site, text: parse_time_before(text, site.store.real_time),
)


def list_objects(resource: Resource, site: Site, request: ApiRequest) -> dict[str, Any]:
    """Return a page of a list."""
    return _page(parse_list_request(site, resource, request.query))


def get_object(resource: Resource, site: Site, request: ApiRequest) -> dict[str, Any]:
    """Return one object, with all of its texts."""
    if resource.get is None:
        raise TypeError(f"there is no single {resource.name}")
    return resource.get(site, request.operator.identity, request.path["id"])


def _page(request: ListRequest) -> dict[str, Any]:
    found = read_list(request)
    return {"items": found.items, "next": found.next, "previous": found.previous}


def _stream_events(site: Site, request: ApiRequest) -> dict[str, Any]:
    stream_id = parse_id(request.path["id"], "stream")
    return _page(stream_events_request(site, request.query, stream_id, flat_event))


def _stream_explanation(site: Site, request: ApiRequest) -> dict[str, Any]:
    stream_id = parse_id(request.path["id"], "stream")
    return explain_stream(site.store, site.definitions, stream_id, site.current_time(), BOUNDS)


def _stream_history(site: Site, request: ApiRequest) -> dict[str, Any]:
    stream = site.store.get_stream_by_id(parse_id(request.path["id"], "stream"))
    return {
        **flat_object(stream, "id state attempts failures worker lease_until retry_at"),
        "history": history_of(stream),
        "last_error": stream.last_error,
    }


def _event_explanation(site: Site, request: ApiRequest) -> dict[str, Any]:
    event = site.store.get_event_by_message_id(request.path["id"])
    return explain_stored_event(
        site.store,
        site.definitions,
        event,
        site.current_time(),
        max_streams=MAX_EXPLAINED_STREAMS,
    )


def _triggers(site: Site, request: ApiRequest) -> dict[str, Any]:
    names = list(site.definitions)
    after = request.query.one("after")
    if after is not None and after not in names:
        raise not_found(f"no trigger is named {after!r}")
    names = names[0 if after is None else names.index(after) + 1 :]
    streams = site.statistics.get().streams
    items = items_that_fit(
        {**_trigger(site, name), "streams": to_json_value(streams.get(name, {}))} for name in names
    )
    unknown = sorted(streams.keys() - site.definitions.keys())
    return {
        "items": items,
        "omitted": len(names) - len(items),
        "not_configured": {name: to_json_value(streams[name]) for name in unknown[:MAX_UNKNOWN]},
        "counted_seconds_ago": round(site.statistics.age_seconds, 1),
    }


def _trigger(site: Site, name: str) -> dict[str, Any]:
    return describe_trigger(site.trigger_configs[name], site.definitions[name])


def _one_trigger(site: Site, request: ApiRequest) -> dict[str, Any]:
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


def _processes(site: Site, _request: ApiRequest) -> dict[str, Any]:
    now = site.store.real_time()
    found = site.store.find_processes()
    items = items_that_fit(flat_process(each, now) for each in found)
    return {"items": items, "omitted": len(found) - len(items)}


def _plugins(site: Site, _request: ApiRequest) -> dict[str, Any]:
    usage = plugin_usage(site.settings)
    return {"items": [*plugin_rows(GROUP_NOUNS, usage), time_zones_row(usage)]}


def _stats(site: Site, request: ApiRequest) -> dict[str, Any]:
    now = site.store.real_time()
    since = SINCE.parse(site, request.query.one("since") or "1h")
    series = list(activity_series(site.store, min(since, now), now))
    items = items_that_fit(series)
    return {"items": items, "omitted": len(series) - len(items)}


def _statistics(site: Site, _request: ApiRequest) -> dict[str, Any]:
    found = flat_statistics(site.statistics.get())
    replica = site.replica.get()
    return {
        "counted_seconds_ago": round(site.statistics.age_seconds, 1),
        "replica": None if replica is None else flat_object(replica, "lag_seconds"),
        **found,
    }


def _lists(resource: Resource) -> Operation:
    return Operation(
        "GET",
        f"{PREFIX}/{resource.name}",
        resource.name,
        f"List {resource.plural}",
        partial(list_objects, resource),
        f"{resource.schema_name}Page",
        parameters=list_parameters(resource),
    )


def _gets(
    path: str,
    summary: str,
    handle: Callable[[Site, ApiRequest], Any],
    result: str,
    path_schemas: Mapping[str, Mapping[str, Any]] | None = None,
    parameters: Sequence[QueryParameter] = (),
    description: str = "",
    problems: Sequence[int] = (),
) -> Operation:
    return Operation(
        "GET",
        f"{PREFIX}/{path}",
        path.partition("/")[0],
        summary,
        handle,
        result,
        parameters=parameters,
        path_schemas=path_schemas or {},
        problems=(404,) if path_schemas else problems,
        description=description,
    )


BY_ID: Final = {"id": ID}
BY_MESSAGE_ID: Final = {"id": MESSAGE_ID}

READING: Final = (
    *map(_lists, RESOURCES.values()),
    _gets("streams/{id}", "Get one stream", partial(get_object, STREAMS), "Stream", BY_ID),
    _gets(
        "streams/{id}/events",
        "List the events of one stream",
        _stream_events,
        "EventPage",
        BY_ID,
        PAGING_PARAMETERS,
        f"They are ordered by timestamp. A stream with more than {STREAM_PART_EVENTS} events is "
        "divided into parts in the order of storing, and each part is ordered by timestamp.",
    ),
    _gets(
        "streams/{id}/explain",
        "Explain why one stream has fired or not",
        _stream_explanation,
        "StreamExplanation",
        BY_ID,
        description=f"Only the newest {BOUNDS.events} events are evaluated, and at most "
        f"{BOUNDS.streams} other streams of the group are listed; the response says what was left "
        "out.",
    ),
    _gets(
        "streams/{id}/history",
        "Get the latest changes of the state of one stream",
        _stream_history,
        "StreamHistory",
        BY_ID,
    ),
    _gets("events/{id}", "Get one event", partial(get_object, EVENTS), "Event", BY_MESSAGE_ID),
    _gets(
        "events/{id}/explain",
        "Explain how each trigger evaluates one event",
        _event_explanation,
        "EventExplanation",
        BY_MESSAGE_ID,
        description=f"At most {MAX_EXPLAINED_STREAMS} streams that hold the event are listed.",
    ),
    _gets(
        "triggers",
        "List the configured triggers",
        _triggers,
        "Triggers",
        parameters=(AFTER,),
        problems=(404,),
        description="They are in the order of their file.",
    ),
    _gets("triggers/{name}", "Get one trigger", _one_trigger, "Trigger", {"name": TRIGGER_NAME}),
    _gets(
        "rejected/{id}",
        "Get one rejected message",
        partial(get_object, REJECTED),
        "RejectedMessage",
        BY_ID,
    ),
    _gets("outbox/{id}", "Get one effect", partial(get_object, OUTBOX), "Effect", BY_ID),
    _gets("processes", "List the processes", _processes, "Processes"),
    _gets("plugins", "List the installed plugins", _plugins, "Plugins"),
    _gets(
        "stats",
        "Get the activity of all processes over time",
        _stats,
        "Stats",
        parameters=(SINCE,),
    ),
    _gets(
        "statistics",
        "Count streams, effects and rejected messages",
        _statistics,
        "Statistics",
        description="The numbers are cached; `counted_seconds_ago` is their age.",
    ),
)
"""Operations that only read."""
