"""POST operations of the API: actions on one object, and on all that match a filter."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console import actions
from winchester_core.console.actions import SINGLE_ACTIONS
from winchester_core.console.api.operations import PREFIX, ApiRequest, Operation
from winchester_core.console.bulk_actions import MAX_OBJECTS, BulkRequest, perform
from winchester_core.console.bulk_kinds import BULK_ACTIONS, BulkAction
from winchester_core.console.parameters import ID, TRIGGER_NAME, Query, parse_id
from winchester_core.console.problems import bad_request, not_found
from winchester_core.model.event import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from winchester_core.console.parameters import QueryParameter
    from winchester_core.console.site import Site

FILTER: Final = "filter"
BULK_MEMBERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "up_to_id": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_INT,
        "description": "the highest id that was seen; later objects are not changed",
    },
    "confirmed": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_OBJECTS,
        "description": "the number of matches that was seen; if there are more, the status is 409. "
        f"{MAX_OBJECTS} means this number or more",
    },
    "after_id": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_INT,
        "description": "leave out the objects up to this id: `after_id` of an earlier result",
    },
    "dry_run": {
        "type": "boolean",
        "description": "count the matches, up to `up_to_id` if it is given, and change nothing",
    },
}
"""JSON Schemas of the members of a bulk request besides `FILTER`."""


def bulk_body(bulk: BulkAction) -> dict[str, Any]:
    """Return the JSON Schema of a bulk request."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            FILTER: {
                "type": "object",
                "description": f"parameters of the list; selected are {bulk.defaults}",
                "additionalProperties": False,
                "properties": {
                    each.name: {**each.schema, "description": each.description}
                    for each in bulk.resource.parameters
                },
            },
            **BULK_MEMBERS,
        },
        "anyOf": [
            {"required": ["up_to_id", "confirmed"]},
            {"required": ["dry_run"], "properties": {"dry_run": {"const": True}}},
        ],
    }


def bulk_request(bulk: BulkAction, body: Mapping[str, Any]) -> BulkRequest:
    """Return the request in a body. Raises `Problem`."""
    _check_members(body, (FILTER, *BULK_MEMBERS))
    numbers = {name: _number(body, name) for name in ("up_to_id", "confirmed", "after_id")}
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise bad_request("dry_run must be true or false")
    if not dry_run:
        for name in ("up_to_id", "confirmed"):
            if numbers[name] is None:
                raise bad_request(f"{name} is missing; dry_run returns its value")
    return BulkRequest(
        query=Query(list(_pairs(body.get(FILTER, {}), bulk.resource.parameters))),
        up_to_id=numbers["up_to_id"],
        confirmed=numbers["confirmed"],
        after_id=numbers["after_id"] or 0,
        dry_run=dry_run,
    )


def _number(body: Mapping[str, Any], name: str) -> int | None:
    value, schema = body.get(name), BULK_MEMBERS[name]
    if name not in body:
        return None
    least, greatest = schema["minimum"], schema["maximum"]
    if type(value) is not int or not least <= value <= greatest:
        raise bad_request(f"{name} must be an integer from {least} to {greatest}")
    return value


def _pairs(filters: Any, parameters: Sequence[QueryParameter]) -> Iterator[tuple[str, str]]:
    """Yield the filters as parameters of a query. Raises `Problem`."""
    if not isinstance(filters, dict):
        raise bad_request(f"{FILTER} must be an object")
    by_name = {each.name: each for each in parameters}
    for name, value in filters.items():
        if name not in by_name:
            known = ", ".join(by_name)
            raise bad_request(f"{FILTER}: unknown parameter {name[:100]!r}; known: {known}")
        yield from ((name, text) for text in _texts(by_name[name], value))


def _texts(parameter: QueryParameter, value: Any) -> Iterator[str]:
    """Yield the texts of a filter's value, by the type in its schema. Raises `Problem`."""
    if parameter.repeated:
        if not isinstance(value, list):
            raise bad_request(f"{FILTER}: {parameter.name} must be an array of texts")
        items, kind = value, "an array of texts"
    else:
        items, kind = [value], "a text"
    is_number = parameter.schema["type"] == "integer"
    for item in items:
        if is_number and type(item) is int:
            yield str(item)
        elif not is_number and isinstance(item, str) and item:
            yield item
        else:
            kind = "an integer" if is_number else f"{kind}, not empty"
            raise bad_request(f"{FILTER}: {parameter.name} must be {kind}")


def _check_members(body: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in body:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise bad_request(f"unknown member {name[:100]!r} of the body; known: {allowed}")


def _one(name: str, noun: str, site: Site, request: ApiRequest) -> dict[str, Any]:
    _check_members(request.body, ())
    found = SINGLE_ACTIONS[name](site, request.operator, parse_id(request.path["id"], noun))
    return found._asdict()


def _many(bulk: BulkAction, site: Site, request: ApiRequest) -> dict[str, Any]:
    asked = bulk_request(bulk, request.body)
    found = perform(site, request.operator, bulk, asked)
    return {
        "dry_run": asked.dry_run,
        "matched": found.matched,
        "done": found.done,
        "skipped": found.skipped,
        "outcomes": dict(found.outcomes),
        "up_to_id": found.up_to_id,
        "left": found.after_id is not None,
        "after_id": found.after_id,
        "interruption": found.interruption,
    }


def _raw(
    show: Callable[[Site, actions.Operator, int], str],
    member: str,
    noun: str,
    site: Site,
    request: ApiRequest,
) -> dict[str, Any]:
    _check_members(request.body, ())
    object_id = parse_id(request.path["id"], noun)
    return {"id": object_id, member: show(site, request.operator, object_id)}


def _reset_debug_counts(site: Site, request: ApiRequest) -> dict[str, Any]:
    _check_members(request.body, ())
    name = request.path["name"]
    if not actions.reset_debug_counts(site, request.operator, name):
        raise not_found(f"no debug counts of a trigger {name!r}")
    return {"name": name, "outcome": "reset"}


NOUNS: Final = {"stream": "stream", "rejected": "rejected message", "outbox": "effect"}
PATHS: Final = {"stream": "streams", "rejected": "rejected", "outbox": "outbox"}


def _single_operation(name: str) -> Operation:
    kind, _, verb = name.partition(".")
    return Operation(
        "POST",
        f"{PREFIX}/{PATHS[kind]}/{{id}}/{verb}",
        PATHS[kind],
        f"{verb.capitalize()} one {NOUNS[kind]}",
        partial(_one, name, NOUNS[kind]),
        "ActionResult",
        path_schemas={"id": ID},
        problems=(404, 409),
    )


def _bulk_operation(bulk: BulkAction) -> Operation:
    kind, _, verb = bulk.name.partition(".")
    return Operation(
        "POST",
        f"{PREFIX}/{PATHS[kind]}/{verb}",
        PATHS[kind],
        f"{verb.capitalize()} all {bulk.resource.plural} that match a filter",
        partial(_many, bulk),
        "BulkResult",
        body=bulk_body(bulk),
        problems=(409,),
        description=f"Selects {bulk.defaults}.",
    )


def _raw_operation(
    name: str, member: str, show: Callable[[Site, actions.Operator, int], str], result: str
) -> Operation:
    kind = name.partition(".")[0]
    return Operation(
        "POST",
        f"{PREFIX}/{PATHS[kind]}/{{id}}/raw",
        PATHS[kind],
        f"Show the {member} of one {NOUNS[kind]} with its secrets",
        partial(_raw, show, member, NOUNS[kind]),
        result,
        path_schemas={"id": ID},
        problems=(404,),
        description="It is recorded as an action.",
    )


ACTIONS: Final = (
    *map(_single_operation, SINGLE_ACTIONS),
    *map(_bulk_operation, BULK_ACTIONS.values()),
    Operation(
        "POST",
        f"{PREFIX}/triggers/{{name}}/reset-debug",
        "triggers",
        "Delete the debug counts of one trigger",
        _reset_debug_counts,
        "DebugReset",
        path_schemas={"name": TRIGGER_NAME},
        problems=(404,),
        description="Ingest counts again from 0.",
    ),
    _raw_operation(actions.SHOW_REJECTED, "body", actions.show_rejected_body, "RawBody"),
    _raw_operation(actions.SHOW_EFFECT, "payload", actions.show_effect_payload, "RawPayload"),
)
"""Operations that change something, or show secrets."""
