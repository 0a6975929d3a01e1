"""Tables of the hand-written pattern."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)
from sqlalchemy.dialects import mysql

metadata = MetaData()

_KEY = BigInteger().with_variant(Integer(), "sqlite")
_MOMENT = DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_DIGEST = LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")

events = Table(
    "hand_events",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("message_id", String(255), nullable=False, unique=True),
    Column("event_type", String(255), nullable=False, index=True),
    Column("timestamp", _MOMENT, nullable=False, index=True),
    Column("traits", JSON(), nullable=False),
)

streams = Table(
    "hand_streams",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("open_key", _DIGEST, unique=True),
    Column("state", String(16), nullable=False),
    Column("serial", Integer(), nullable=False),
    Column("first_event", _MOMENT, nullable=False),
    Column("last_event", _MOMENT, nullable=False),
    Column("expire_timestamp", _MOMENT, nullable=False),
    Column("fire_timestamp", _MOMENT),
    Column("event_count", Integer(), nullable=False),
    Column("worker", String(255)),
    Column("lease_until", _MOMENT),
    Index("hand_streams_due", "state", "fire_timestamp", "expire_timestamp"),
)

links = Table(
    "hand_links",
    metadata,
    Column("stream_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("event_id", BigInteger(), primary_key=True, autoincrement=False),
)
