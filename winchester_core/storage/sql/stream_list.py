"""The list of streams: filters, and the indexes that serve them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, func, not_, or_, select

from winchester_core.model.event import text_problem
from winchester_core.model.stream import ERROR_STATES, HOLDING, StreamOutcome, StreamState
from winchester_core.storage.filters import ANY_STREAM
from winchester_core.storage.sql import stream_rows
from winchester_core.storage.sql.keyset import Candidates, Search, id_keyset
from winchester_core.storage.sql.queries import filter_conditions, literal_prefix, matches_glob
from winchester_core.storage.sql.row_list import RowList
from winchester_core.storage.sql.streams import streams_by_id
from winchester_core.storage.sql.tables import events, stream_events, stream_traits, streams
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Subquery

    from winchester_core.storage.filters import ListOrder, StreamFilter
    from winchester_core.storage.sql.dialects import SqlDialect


def _search(dialect: SqlDialect, filters: StreamFilter, order: ListOrder) -> Search:
    is_indexed = _is_indexed(filters)
    return Search(
        id_keyset(streams, order),
        _filter_conditions(dialect, filters, per_stream=True),
        indexed_conditions=_filter_conditions(dialect, filters) if is_indexed else None,
        base=[streams.c.state != HOLDING],
        candidates=_candidates(dialect, filters),
        member_count=None if filters.event_type is None else streams.c.event_count,
    )


def _is_indexed(filters: StreamFilter) -> bool:
    """Return whether an index finds the streams that match one of the filters.

    The last event has none, because each event that joins the stream would change it. But no stream
    begins after its last event, so the index of first events has all streams with an older one.
    """
    values = (
        *(filters.name, filters.older_than, filters.younger_than, filters.last_event_older_than),
        *(filters.event_type, filters.message_id, filters.is_open or None),
    )
    return bool(filters.states or filters.traits) or any(each is not None for each in values)


def _filter_conditions(
    dialect: SqlDialect, filters: StreamFilter, *, per_stream: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions. With `per_stream`, in a form that is cheap for few streams.

    This form looks up the events of each stream instead of all events of a type.
    """
    conditions: list[ColumnElement[bool]] = []
    if filters.name is not None:
        conditions.append(equals_text(streams.c.name, filters.name))
    if filters.states:
        conditions.append(streams.c.state.in_([state.value for state in filters.states]))
    if filters.outcomes:
        conditions.append(or_(*(_has_outcome(dialect, each) for each in filters.outcomes)))
    if filters.is_open is not None:
        has_key = streams.c.open_key.is_not(None)
        conditions.append(has_key if filters.is_open else streams.c.open_key.is_(None))
    if filters.has_trial is not None:
        is_marked = and_(  # compare `streams.streams_by_id`
            streams.c.trial.is_not(None), streams.c.state != StreamState.COMPLETED.value
        )
        conditions.append(is_marked if filters.has_trial else not_(is_marked))
    if filters.unknown_to is not None:
        conditions.append(streams.c.name.not_in(sorted(filters.unknown_to)))
        conditions.append(streams.c.state != StreamState.COMPLETED.value)
    if filters.error_text is not None:
        storable = not text_problem(filters.error_text)
        contained = dialect.contains(streams.c.last_error, filters.error_text)
        conditions.append(contained if storable else false())
    conditions += _first_event_conditions(filters)
    if filters.last_event_older_than is not None:
        conditions.append(streams.c.last_event < filters.last_event_older_than)
    if filters.last_event_younger_than is not None:
        conditions.append(streams.c.last_event >= filters.last_event_younger_than)
    if filters.event_type is not None:
        if per_stream:
            conditions.append(_has_event_type(dialect, filters.event_type))
        else:
            of_type = matches_glob(dialect, events.c.event_type, filters.event_type)
            conditions.append(streams.c.id.in_(_stream_ids_with_event(of_type)))
    if filters.message_id is not None:
        of_id = equals_text(events.c.message_id, filters.message_id)
        conditions.append(streams.c.id.in_(_stream_ids_with_event(of_id)))
    for name, value in filters.traits.items():
        conditions.append(_has_trait_value(name, value, per_stream=per_stream))
    return conditions


def _has_outcome(dialect: SqlDialect, outcome: StreamOutcome) -> ColumnElement[bool]:
    """Return the condition that a stream has this outcome, as `StreamRecord.outcome` defines it."""
    columns = streams.c
    in_error = columns.state.in_([state.value for state in ERROR_STATES])
    is_completed = columns.state == StreamState.COMPLETED.value
    if outcome is StreamOutcome.FAILED:
        return in_error
    if outcome in (StreamOutcome.CANCELLED, StreamOutcome.SUPPRESSED):
        return and_(equals_text(columns.decision, outcome.value), not_(in_error))
    is_undecided = and_(columns.decision.is_(None), not_(in_error))
    if outcome is StreamOutcome.ACTIVE:
        return and_(is_undecided, not_(is_completed))
    history = func.coalesce(columns.history, "")
    was_firing = _has_state_line(dialect, history, StreamState.FIRING)
    was_expiring = _has_state_line(dialect, history, StreamState.EXPIRING)
    has_fired = or_(was_firing, and_(not_(was_expiring), columns.fire_timestamp.is_not(None)))
    is_wanted = has_fired if outcome is StreamOutcome.FIRED else not_(has_fired)
    return and_(is_undecided, is_completed, is_wanted)


def _has_state_line(
    dialect: SqlDialect, history: ColumnElement[str], state: StreamState
) -> ColumnElement[bool]:
    """Return the condition that a line of the history, which begins with its time, has a state.

    Names of workers and operators, which follow the state, are no such lines.
    """
    return dialect.matches_glob(history, f"*-??T??:??:??.?????? {state.value}*")


def _stream_ids_with_event(condition: ColumnElement[bool]) -> Select[Any]:
    """Select the ids of streams with an event that meets `condition`."""
    on = events.c.id == stream_events.c.event_id
    return select(stream_events.c.stream_id).join(events, on).where(condition)


def _has_trait_value(name: str, value: Any, *, per_stream: bool) -> ColumnElement[bool]:
    """Return the condition that a stream's trait `name` equals `value` in type and value.

    With `per_stream`, it is looked up for each stream. PostgreSQL would rewrite EXISTS as a join
    with the traits of all streams of the group.
    """
    if isinstance(value, str) and text_problem(value):
        return false()
    if per_stream:
        of_stream = and_(stream_traits.c.stream_id == streams.c.id, _trait_equals(name, value))
        found = select(stream_traits.c.stream_id).where(of_stream)
        return found.limit(1).scalar_subquery().is_not(None)
    return streams.c.id.in_(select(stream_traits.c.stream_id).where(_trait_equals(name, value)))


def _trait_equals(name: str, value: Any) -> ColumnElement[bool]:
    return and_(
        equals_text(stream_traits.c.name, name),
        stream_traits.c.digest == stream_rows.value_digest(value),
    )


def _has_event_type(dialect: SqlDialect, glob: str) -> ColumnElement[bool]:
    """Return the condition that the type of one of the stream's events matches `glob`.

    It is evaluated for each stream. MariaDB would rewrite EXISTS as a semi-join. PostgreSQL would
    use the index of types and scan all events of the type for each stream; `+ ""` prevents this.
    """
    of_type = matches_glob(dialect, events.c.event_type + "", glob)
    of_stream = _stream_ids_with_event(and_(stream_events.c.stream_id == streams.c.id, of_type))
    return of_stream.limit(1).scalar_subquery().is_not(None)


def _candidates(dialect: SqlDialect, filters: StreamFilter) -> Candidates | None:
    """Return the candidates by the filter that most probably matches few streams."""
    columns = streams.c
    if filters.message_id is not None:
        of_id = equals_text(events.c.message_id, filters.message_id)
        return _with_events(dialect, of_id)
    for name, value in filters.traits.items():
        if not (isinstance(value, str) and text_problem(value)):
            has_value = _trait_equals(name, value)
            return Candidates(select(stream_traits.c.stream_id.label("id")).where(has_value))
    in_states = columns.state.in_([state.value for state in filters.states])
    if filters.name is not None:
        of_name = equals_text(columns.name, filters.name)
        query = select(columns.id).where(of_name, *([in_states] if filters.states else []))
        return Candidates(query, "ix_streams_name_state_fingerprint")
    if filters.states:
        return Candidates(select(columns.id).where(in_states), "ix_streams_due")
    if filters.is_open:
        # SQLite uses no index for IS NOT NULL
        return Candidates(select(columns.id).where(columns.open_key >= b""), "uq_streams_open_key")
    if filters.event_type is not None and literal_prefix(filters.event_type):
        # an event of the type may be the last one of a large stream
        remaining = _filter_conditions(dialect, replace(filters, event_type=None), per_stream=True)
        of_type = matches_glob(dialect, events.c.event_type, filters.event_type)
        return replace(_with_events(dialect, of_type), remaining=remaining)
    in_time = _first_event_conditions(filters)
    if in_time:
        return Candidates(select(columns.id).where(*in_time), "ix_streams_first_event")
    return None


def _with_events(dialect: SqlDialect, condition: ColumnElement[bool]) -> Candidates:
    """Return the streams with an event that meets `condition`, by way of the events."""
    return Candidates(select(events.c.id).where(condition), None, partial(_streams_of, dialect))


def _streams_of(dialect: SqlDialect, found: Subquery) -> Select[Any]:
    joined, link = dialect.lateral_index_lookup(
        found, stream_events, stream_events.c.event_id == found.c.id
    )
    return select(link.c.stream_id.label("id")).select_from(joined)


def _first_event_conditions(filters: StreamFilter) -> list[ColumnElement[bool]]:
    """Return the conditions on the time of the first event, given or implied by the last event.

    No stream begins after its last event.
    """
    first_event = streams.c.first_event
    return filter_conditions(
        (filters.older_than, lambda time: first_event < time),
        (filters.younger_than, lambda time: first_event >= time),
        (filters.last_event_older_than, lambda time: first_event < time),
    )


LIST = RowList(ANY_STREAM, _search, streams_by_id)
"""The list of streams."""
