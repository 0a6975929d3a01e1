"""Actions on all objects of a filtered list: page to confirm, request, and page of the result.

The request is answered with a redirect to the result, whose address has the numbers, so that a
reload repeats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.routing import Route

from winchester_core.console import actions
from winchester_core.console.bulk_actions import MAX_OBJECTS, BulkRequest, perform
from winchester_core.console.bulk_kinds import BULK_ACTIONS, BulkAction
from winchester_core.console.identity import require_operator
from winchester_core.console.pages.acting import operator_of
from winchester_core.console.pages.filter_words import filters_in_words, with_absolute_times
from winchester_core.console.pages.page import (
    problem_page,
    query_of,
    redirect,
    render,
    site_of,
)
from winchester_core.console.parameters import Query, parse_filters
from winchester_core.console.paths import Link
from winchester_core.console.problems import Problem, bad_request, problem_of
from winchester_core.console.requests import CSRF_FIELD, form_of
from winchester_core.console.resources import cut_texts
from winchester_core.errors import WinchesterError
from winchester_core.model.event import MAX_INT
from winchester_core.service.exit import UsageError
from winchester_core.storage.filters import ListOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.bulk_actions import BulkResult
    from winchester_core.console.site import Site

SHOWN_OBJECTS: Final = 10
CONFIRMED, UP_TO_ID, AFTER_ID, MORE = "confirmed", "up_to_id", "after_id", "more"
NUMBERS: Final = (CONFIRMED, UP_TO_ID, AFTER_ID, MORE)
"""Fields of the form that are not filters. `MORE` is 1 if there are matches after `UP_TO_ID`."""

CHANGED, SKIPPED, ENDED_EARLY = "changed", "skipped", "interrupted"
RESULT: Final = (CHANGED, SKIPPED, ENDED_EARLY)
"""Parameters of the page of a result. With `AFTER_ID`, there may be further matches after it."""


@dataclass(frozen=True, slots=True)
class BulkText:
    """Texts of a bulk action. `selected` describes its objects if no filter selects a state."""

    selected: str
    consequence: str
    is_dangerous: bool


TEXTS: Final[Mapping[str, BulkText]] = {
    actions.RESET: BulkText(
        "Streams in error",
        "A worker processes each of them again, and counts its failures from zero.",
        is_dangerous=False,
    ),
    actions.DISCARD: BulkText(
        "Streams in error",
        "They are deleted for good, with their links to events. The events are kept. No pipeline "
        "runs for them.",
        is_dangerous=True,
    ),
    actions.RETRY_REJECTED: BulkText(
        "Rejected messages",
        "Each is ingested again, as if its source had delivered it again. Messages that are still "
        "invalid are kept.",
        is_dangerous=False,
    ),
    actions.DISCARD_REJECTED: BulkText(
        "Rejected messages",
        "They are deleted for good, with their bodies. They never become events.",
        is_dangerous=True,
    ),
    actions.RETRY_EFFECT: BulkText(
        "Dead letters",
        "Each is due for delivery at once, in the order of its stream and handler.",
        is_dangerous=False,
    ),
    actions.DISCARD_EFFECT: BulkText(
        "Dead letters",
        "They are deleted for good and not delivered.",
        is_dangerous=True,
    ),
}


def bulk_routes() -> list[Route]:
    """Return the routes, which must precede those of single objects."""
    routes = []
    for bulk in BULK_ACTIONS.values():
        path = _path(bulk)
        routes += [
            Route(path, partial(_confirm, bulk), methods=["GET"]),
            Route(path, partial(_perform, bulk), methods=["POST"]),
            Route(f"{path}/result", partial(_result, bulk), methods=["GET"]),
        ]
    return routes


def _path(bulk: BulkAction) -> str:
    return f"/{bulk.resource.name}/{_verb(bulk)}"


def _verb(bulk: BulkAction) -> str:
    return bulk.name.partition(".")[2]


def _confirm(bulk: BulkAction, request: Request) -> Response:
    """Return the page that asks to confirm the action; wrong filters are a problem page."""
    require_operator(request)
    site = site_of(request)
    try:
        numbers, query = _split(query_of(request).pairs)
        return _confirmation(
            bulk, request, with_absolute_times(site, _parameters(bulk), query), numbers
        )
    except (UsageError, Problem) as error:
        return _refusal(bulk, request, error)


def _confirmation(
    bulk: BulkAction,
    request: Request,
    query: Query,
    numbers: Mapping[str, int],
    problem: Problem | None = None,
) -> Response:
    """Count the selected objects, and return the page.

    `problem` is the reason why an earlier attempt was refused.
    """
    site, text = site_of(request), TEXTS[bulk.name]
    after_id = numbers.get(AFTER_ID, 0)
    counted = BulkRequest(query=query, after_id=after_id, dry_run=True)
    found = perform(site, operator_of(request), bulk, counted)
    has_more = found.after_id is not None
    is_full = found.matched >= MAX_OBJECTS
    fields = {CONFIRMED: found.matched, UP_TO_ID: found.up_to_id, AFTER_ID: after_id}
    fields[MORE] = int(has_more)
    return render(
        request,
        "bulk_confirm.html",
        bulk.resource.name,
        status=HTTPStatus.OK if problem is None else problem.status,
        verb=_verb(bulk),
        text=text,
        plural=bulk.resource.plural,
        path=_path(bulk),
        list_path=f"/{bulk.resource.name}{_query_text(query.pairs)}",
        selected=_selected(bulk, query),
        filters=filters_in_words(bulk.resource.name, query),
        number=found.matched,
        has_more=has_more,
        is_full=is_full,
        further=f"{_path(bulk)}{_query_text([*query.pairs, (AFTER_ID, found.after_id)])}",
        after_id=after_id,
        items=_first_objects(site, bulk, query, after_id, found.up_to_id) if found.matched else [],
        pairs=[*query.pairs, *fields.items()],
        problem="" if problem is None else problem.detail,
        now=site.store.real_time(),
    )


def _perform(bulk: BulkAction, request: Request) -> Response:
    """Perform the action, and redirect to its result."""
    operator = operator_of(request)
    pairs = [pair for pair in form_of(request).multi_items() if pair[0] != CSRF_FIELD]
    try:
        numbers, query = _split(pairs)
        if CONFIRMED not in numbers or UP_TO_ID not in numbers:
            raise bad_request(f"{CONFIRMED} and {UP_TO_ID} are missing")
        asked = BulkRequest(
            query=query,
            up_to_id=numbers[UP_TO_ID],
            confirmed=numbers[CONFIRMED],
            after_id=numbers.get(AFTER_ID, 0),
        )
        result = perform(site_of(request), operator, bulk, asked)
    except Problem as problem:
        if problem.status is not HTTPStatus.CONFLICT:
            return _refusal(bulk, request, problem)
        return _confirmation(bulk, request, query, numbers, problem)
    except (UsageError, WinchesterError) as error:
        return _refusal(bulk, request, error)
    pairs = _result_pairs(query, result, has_more=bool(numbers.get(MORE)))
    return redirect(request, f"{_path(bulk)}/result{_query_text(pairs)}")


def _result(bulk: BulkAction, request: Request) -> Response:
    """Return the page of a result, whose numbers are in the address."""
    try:
        pairs = request.query_params.multi_items()
        found = {name: _number(name, value) for name, value in pairs if name in RESULT}
        numbers, query = _split([pair for pair in pairs if pair[0] not in RESULT])
        query.check_names(each.name for each in _parameters(bulk))
    except (UsageError, Problem) as error:
        return _refusal(bulk, request, error)
    further = [*query.pairs, (AFTER_ID, numbers.get(AFTER_ID, 0))]
    return render(
        request,
        "bulk_result.html",
        bulk.resource.name,
        participle=bulk.participle,
        plural=bulk.resource.plural,
        selected=_selected(bulk, query),
        filters=filters_in_words(bulk.resource.name, query),
        done=found.get(CHANGED, 0),
        skipped=found.get(SKIPPED, 0),
        is_left=AFTER_ID in numbers,
        is_interrupted=bool(found.get(ENDED_EARLY)),
        keeps_skipped=bulk.name == actions.RETRY_REJECTED,
        further=f"{_path(bulk)}{_query_text(further)}",
        list_path=f"/{bulk.resource.name}{_query_text(query.pairs)}",
    )


def _result_pairs(query: Query, result: BulkResult, *, has_more: bool) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = [(CHANGED, result.done), (SKIPPED, result.skipped)]
    if result.after_id is not None:
        pairs.append((AFTER_ID, result.after_id))
    elif has_more:
        pairs.append((AFTER_ID, result.up_to_id))
    if result.interruption is not None:
        pairs.append((ENDED_EARLY, 1))
    return [*pairs, *query.pairs]


def _first_objects(
    site: Site, bulk: BulkAction, query: Query, after_id: int, up_to_id: int
) -> list[dict[str, Any]]:
    """Return the first selected objects as JSON."""
    fields = parse_filters(site, _parameters(bulk), query)
    page = getattr(site.store, bulk.resource.page_method)(
        bulk.select(bulk.resource.filter_type(**fields)),
        after=(after_id,),
        limit=SHOWN_OBJECTS,
        order=ListOrder.OLDEST,
    )
    return [cut_texts(bulk.resource.to_json(each)) for each in page.items if each.id <= up_to_id]


def _refusal(bulk: BulkAction, request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem_page(request, problem, Link(f"/{bulk.resource.name}", "Back to the list"))


def _selected(bulk: BulkAction, query: Query) -> str:
    """Return the words for the objects before the filters; a filter by state replaces the default.

    The default of a discard of streams depends on the filter for unknown triggers.
    """
    if query.all("state"):
        return bulk.resource.plural.capitalize()
    if bulk.name == actions.DISCARD and query.all("unknown"):
        return "Streams in error or waiting for a worker"
    return TEXTS[bulk.name].selected


def _parameters(bulk: BulkAction) -> Sequence[Any]:
    return bulk.resource.parameters


def _split(pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, int], Query]:
    """Return the numbers and the filters among the fields of a request. Raises `Problem`."""
    for name in NUMBERS:
        if sum(each == name for each, _ in pairs) > 1:
            raise bad_request(f"{name} is given more than once")
    numbers = {name: _number(name, value) for name, value in pairs if name in NUMBERS}
    filters = tuple((name, value) for name, value in pairs if name not in NUMBERS and value)
    return numbers, Query(filters)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= MAX_INT):
        raise bad_request(f"{name} {text[:40]!r} is not a number")
    return int(text)


def _query_text(pairs: Sequence[tuple[str, Any]]) -> str:
    return f"?{urlencode(pairs)}" if pairs else ""
