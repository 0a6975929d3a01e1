"""Actions of operators on all objects that match a filter, as far as the operator has seen them.

An operator confirms a number of matches, and the highest id among them. So objects that were stored
later are never changed, and a filter that now selects more objects than before is refused. Objects
are selected by id, streams also by serial number: an object that has changed meanwhile is skipped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from winchester_core.clock import monotonic
from winchester_core.console.bulk_kinds import SKIPPED
from winchester_core.console.parameters import parse_filters
from winchester_core.console.problems import Problem
from winchester_core.errors import (
    ConcurrentChange,
    DatabaseUnavailable,
    QueryTimeout,
)
from winchester_core.ingest.rejected_retry import FAILED
from winchester_core.model.event import MAX_INT
from winchester_core.model.message import EventStatus
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.console.actions import Operator
    from winchester_core.console.bulk_kinds import BulkAction
    from winchester_core.console.parameters import Query
    from winchester_core.console.site import Site
    from winchester_core.model.action import Action

MAX_OBJECTS: Final = 10_000
"""Maximum number of objects that one request changes."""

BATCH_OBJECTS: Final = 500
"""Maximum number of objects in a transaction."""

BATCH_ROWS: Final = 20_000
"""Maximum number of rows that a transaction deletes, unless one stream has more."""

MAX_SECONDS: Final = 20.0
"""Time after which no further transaction begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """Selection of the objects to change: they match `query`, and their ids are in a range.

    `up_to_id` is the highest id that the operator has seen, and `confirmed` the number of objects;
    `MAX_OBJECTS` means this number or more. Both may be None for a `dry_run`, which counts and
    changes nothing. Objects up to `after_id` are left out.
    """

    query: Query
    up_to_id: int | None = None
    confirmed: int | None = None
    after_id: int = 0
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """The result of a bulk action.

    `matched` is the number of selected objects, `up_to_id` their highest id (or that of the
    request), `outcomes` the number of them by outcome. If there may be further objects up to
    `up_to_id`, or after it in a dry run, `after_id` is the id after which a further request
    continues, otherwise None. `interruption` is the error that ended the request early.
    """

    matched: int
    up_to_id: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    after_id: int | None = None
    interruption: str | None = None

    @property
    def done(self) -> int:
        """Number of objects that were changed, as in the record of actions."""
        kept = (SKIPPED, FAILED, EventStatus.INVALID)
        return sum(number for outcome, number in self.outcomes.items() if outcome not in kept)

    @property
    def skipped(self) -> int:
        """Number of objects that were not changed."""
        return sum(self.outcomes.values()) - self.done


class _Selected(NamedTuple):
    """A selected object: its id, the result of `BulkAction.identify`, and its `rows`."""

    id: int
    identity: Any
    rows: int


@dataclass(frozen=True, slots=True)
class _Selection:
    """Selected objects by id, and the id after which there may be more."""

    objects: list[_Selected]
    after_id: int | None


def perform(site: Site, operator: Operator, bulk: BulkAction, request: BulkRequest) -> BulkResult:
    """Perform an action on all objects that a request selects.

    Raises `UsageError`, or `Problem` if the request selects more objects than were confirmed.
    """
    request.query.check_names(each.name for each in bulk.resource.parameters)
    selection = bulk.select(
        bulk.resource.filter_type(**parse_filters(site, bulk.resource.parameters, request.query))
    )
    selected = _select(site, bulk, selection, request)
    last = selected.objects[-1].id if selected.objects else request.after_id
    up_to_id = last if request.up_to_id is None else request.up_to_id
    result = BulkResult(
        matched=len(selected.objects), up_to_id=up_to_id, after_id=selected.after_id
    )
    if request.dry_run:
        return result
    target = urlencode([*sorted(request.query.pairs), ("up_to_id", up_to_id)])
    return _apply(
        site, bulk, selection, selected.objects, operator.action(bulk.name, target), result
    )


def _select(site: Site, bulk: BulkAction, selection: Any, request: BulkRequest) -> _Selection:
    """Return the objects that a request selects, by id. Searches a bounded number of rows.

    Raises `Problem` if they are more than were confirmed.
    """
    up_to_id = MAX_INT if request.up_to_id is None else request.up_to_id
    confirmed = MAX_OBJECTS if request.confirmed is None else request.confirmed
    method = bulk.resource.ids_method if request.dry_run else bulk.resource.page_method
    page = getattr(site.store, method)(
        selection,
        after=(request.after_id,),
        limit=MAX_OBJECTS + 1,
        order=ListOrder.OLDEST,
        max_rows=MAX_SEARCHED_ROWS,
    )
    objects = [
        each
        for each in (
            _Selected(item, None, 0)
            if request.dry_run
            else _Selected(item.id, bulk.identify(item), bulk.rows(item))
            for item in page.items
        )
        if each.id <= up_to_id
    ]
    if len(objects) > confirmed and confirmed < MAX_OBJECTS:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"more than the {confirmed} confirmed {bulk.resource.plural} match up to id "
            f"{up_to_id}; count them again with dry_run",
        )
    if len(objects) > MAX_OBJECTS:
        del objects[MAX_OBJECTS:]
        return _Selection(objects, objects[-1].id)
    searched_to = None if page.searched_to is None else int(page.searched_to[0])
    has_more = searched_to is not None and searched_to < up_to_id
    return _Selection(objects, searched_to if has_more else None)


def _apply(
    site: Site,
    bulk: BulkAction,
    selection: Any,
    objects: Sequence[_Selected],
    action: Action,
    result: BulkResult,
) -> BulkResult:
    """Change the objects in several transactions; return the result with the outcomes.

    Raises an error of the first transaction; an error of a later one is part of the result.
    """
    ends_at = monotonic() + MAX_SECONDS
    outcomes: Counter[str] = Counter()
    for number, batch in enumerate(_batches(objects)):
        previous_id = batch[0].id - 1
        if number and monotonic() > ends_at:
            return replace(result, outcomes=dict(outcomes), after_id=previous_id)
        try:
            identities = [each.identity for each in batch]
            outcomes.update(bulk.apply(site, selection, identities, action))
        except (DatabaseUnavailable, ConcurrentChange, QueryTimeout) as error:
            if not number:
                raise
            return replace(
                result, outcomes=dict(outcomes), after_id=previous_id, interruption=str(error)
            )
    return replace(result, outcomes=dict(outcomes))


def _batches(objects: Sequence[_Selected]) -> Iterator[list[_Selected]]:
    """Divide objects into batches for one transaction each."""
    batch: list[_Selected] = []
    rows = 0
    for each in objects:
        if batch and (len(batch) == BATCH_OBJECTS or rows + each.rows > BATCH_ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += each.rows
    if batch:
        yield batch
