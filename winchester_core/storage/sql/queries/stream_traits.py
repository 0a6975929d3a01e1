"""Statements on the table of streams' distinguishing values."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.model.json import load_traits
from winchester_core.model.time_range import TimeRange
from winchester_core.storage.dialects.bulk import ChildInsert, RowDelete, RowInsert
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.queries import open_streams
from winchester_core.storage.sql.tables import stream_traits, streams
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.dialects.bulk import Rows


_NEW = ChildInsert(
    RowInsert(stream_traits, ("stream_id", "name", "digest", "value")), open_streams.NEW
)

DELETION = RowDelete(stream_traits, "stream_id")
"""Remove the values of streams."""


def insertions(values: Iterable[tuple[bytes, Mapping[str, Any]]]) -> tuple[ChildInsert, Rows]:
    """Store the distinguishing values of new streams: (the stream's key, values) each."""
    return _NEW, [
        (key, name, *_stored(value)) for key, group in values for name, value in group.items()
    ]


def _stored(value: Any) -> tuple[bytes, dict[str, Any]]:
    """The digest of a value, and the document that holds it."""
    return _stored_range(value) if isinstance(value, TimeRange) else _digested(value)


@lru_cache(maxsize=64)
def _stored_range(value: TimeRange) -> tuple[bytes, dict[str, Any]]:
    """The same of a range: most new streams are of the same few days or hours."""
    return _digested(value)


def _digested(value: Any) -> tuple[bytes, dict[str, Any]]:
    return digest_of(value), _document(value)


def of_streams(
    connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """The distinguishing values of each stream, by name."""
    found: dict[int, dict[str, Any]] = {stream_id: {} for stream_id in stream_ids}
    for page in pages(stream_ids):
        query = (
            select(
                stream_traits.c.stream_id,
                stream_traits.c.name,
                dialect.json_text(stream_traits.c.value),
            )
            .where(dialect.among(stream_traits.c.stream_id, page))
            .order_by(stream_traits.c.stream_id, stream_traits.c.name)
        )
        for stream_id, name, text in connection.execute(query).all():
            found[stream_id][name] = _value(load_traits(text))
    return found


def has_value(name: str, value: Any) -> ColumnElement[bool]:
    """The condition that a stream's distinguishing trait `name` equals `value`, type and all."""
    return streams.c.id.in_(
        select(stream_traits.c.stream_id).where(
            stream_traits.c.name == name, stream_traits.c.digest == digest_of(value)
        )
    )


def digest_of(value: Any) -> bytes:
    """What a value is found by."""
    return hashlib.sha256(encode_value(value)).digest()


def _document(value: Any) -> dict[str, Any]:
    if isinstance(value, TimeRange):
        return {"begin": value.begin, "end": value.end}
    return {"value": value}


def _value(document: Mapping[str, Any]) -> Any:
    if "value" in document:
        return document["value"]
    return TimeRange(document["begin"], document["end"])
