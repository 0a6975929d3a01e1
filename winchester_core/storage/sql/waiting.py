"""Waiting events of streams that workers claim, and queries for waiting events.

An event that cancels waits for older events until its lateness is over, even if its stream fires or
expires first. A claim releases the key of the group, so the claim moves these events into a row
with this key that holds them. (If a stream ends during ingest, the plan of the batch does this.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.model.event import message_id_text, text_problem
from winchester_core.model.stream import HOLDING
from winchester_core.storage.sql.dialects.bulk import RowUpdate, parameter_batches
from winchester_core.storage.sql.stream_rows import INSERT_STREAMS, link_inserts
from winchester_core.storage.sql.tables import events, stream_events, streams
from winchester_core.storage.sql.types import equals_text
from winchester_core.triggers.details import ProgressDetails, format_details, parse_details

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from winchester_core.storage.sql.database import Transaction


def find(tx: Transaction, stream_ids: Sequence[int]) -> list[tuple[Row[Any], ProgressDetails]]:
    """Return the open ones of these locked streams in which events that cancel still wait."""
    found = []
    for batch in parameter_batches(stream_ids):
        query = select(streams).where(
            tx.dialect.is_one_of(streams.c.id, batch), streams.c.open_key.is_not(None)
        )
        for row in tx.execute(query).all():
            details = parse_details(row.progress)
            if details is not None and any(each.cancels for each in details.waiting):
                found.append((row, details))
    return found


def times_of(tx: Transaction, message_id: str | UUID) -> dict[str, datetime]:
    """Return the stream times until which an event waits for a stream, by trigger name."""
    text = message_id_text(message_id)
    if text_problem(text):
        return {}
    links = streams.join(stream_events, stream_events.c.stream_id == streams.c.id)
    members = links.join(events, events.c.id == stream_events.c.event_id)
    query = (
        select(streams.c.name, streams.c.progress, stream_events.c.position)
        .select_from(members)
        .where(equals_text(events.c.message_id, text), streams.c.state == HOLDING)
    )
    found = {}
    for row in tx.execute(query).all():
        details = parse_details(row.progress)
        for each in () if details is None else details.waiting:
            if details is not None and each.position == row.position:
                found[row.name] = details.time(each.deadline)
    return found


def times_after(tx: Transaction, stream_id: int) -> list[datetime]:
    """Return the stream times until which members of an ended stream wait for the next one."""
    held = stream_events.alias()
    links = stream_events.join(held, held.c.event_id == stream_events.c.event_id)
    # an event may match several triggers, and also wait for a stream of another one
    name = select(streams.c.name).where(streams.c.id == stream_id).scalar_subquery()
    query = (
        select(held.c.stream_id, held.c.position)
        .select_from(links.join(streams, streams.c.id == held.c.stream_id))
        .where(
            stream_events.c.stream_id == stream_id,
            streams.c.state == HOLDING,
            streams.c.name == name,
        )
    )
    positions: dict[int, set[int]] = {}
    for holding_id, position in tx.execute(query):
        positions.setdefault(holding_id, set()).add(position)
    times: list[datetime] = []
    for holding_id, held_positions in positions.items():
        text = tx.execute(select(streams.c.progress).where(streams.c.id == holding_id)).scalar_one()
        details = parse_details(text)
        if details is not None:
            times += [
                details.time(each.deadline)
                for each in details.waiting
                if each.position in held_positions
            ]
    return times


def hold(tx: Transaction, found: Sequence[tuple[Row[Any], ProgressDetails]]) -> None:
    """Insert the rows that hold the waiting events; the streams have released their keys."""
    rows = []
    waiting_until = {}
    for row, details in found:
        waiting = [each for each in details.waiting if each.cancels]
        held = ProgressDetails(
            details.origin,
            [],
            is_holding=True,
            waiting=[each._replace(position=n) for n, each in enumerate(waiting, start=1)],
        )
        until = held.time(max(each.deadline for each in waiting))
        key = bytes(row.open_key)
        waiting_until[key] = until
        times = (row.first_event, None, row.last_event, until)
        progress = (row.fingerprint, *times, len(waiting), format_details(held))
        rows.append((row.name, key, HOLDING, 0, 0, *progress, until))
    inserted = tx.dialect.bulk.insert(tx.connection, INSERT_STREAMS, rows)
    ids = {bytes(key): row_id for key, row_id in inserted}
    event_ids = _event_ids(tx, found)
    links = [
        (ids[bytes(row.open_key)], number, event_ids[row.id, position])
        for row, details in found
        for number, position in enumerate(_cancelling_positions(details), start=1)
    ]
    upkeep = [(ids[key], until) for key, until in waiting_until.items()]
    tx.dialect.bulk.execute_all(tx.connection, [(_SET_UPKEEP, sorted(upkeep)), link_inserts(links)])


_SET_UPKEEP = RowUpdate(streams, "id", ("upkeep_at",))


def _cancelling_positions(details: ProgressDetails) -> list[int]:
    return [each.position for each in details.waiting if each.cancels]


def _event_ids(
    tx: Transaction, found: Sequence[tuple[Row[Any], ProgressDetails]]
) -> dict[tuple[int, int], int]:
    """Return the row ids of the waiting events by the id of their stream and their position."""
    members = [
        (row.id, position) for row, details in found for position in _cancelling_positions(details)
    ]
    columns = (stream_events.c.stream_id, stream_events.c.position)
    event_ids: dict[tuple[int, int], int] = {}
    for batch in parameter_batches(members):
        query = select(*columns, stream_events.c.event_id).where(
            tx.dialect.is_one_of(columns[0], [stream_id for stream_id, _ in batch]),
            tx.dialect.pair_is_one_of(columns, batch),
        )
        event_ids |= {(row[0], row[1]): row[2] for row in tx.execute(query)}
    return event_ids
