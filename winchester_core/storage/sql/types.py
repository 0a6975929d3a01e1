"""Column types that mean the same on every database.

SQLAlchemy has classes for the types of one database, in modules that take as long to import as
half of SQLAlchemy itself. They are imported for that database alone: hence the few classes here,
which render as those do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import BINARY, BigInteger, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.types import DateTime, TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from collections.abc import Callable


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time with microseconds.

    PostgreSQL keeps it as `timestamptz`, MariaDB as `DATETIME(6)`, SQLite as text that sorts.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import DATETIME

            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else _encode_time

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return time_decoder(dialect.name)


def time_decoder(dialect_name: str) -> Callable[[Any], datetime | None]:
    """What makes an aware UTC time, or None, of what the driver gives for a `UtcDateTime`."""
    return _decode_text if dialect_name == "sqlite" else _decode_datetime


def format_naive_utc(time: datetime) -> str:
    """`2015-01-20 00:00:00.000000` in UTC: what SQLite keeps and MariaDB reads."""
    # orjson writes a time ten times as fast as `isoformat` does
    text = orjson.dumps(time.astimezone(UTC)).decode()
    fraction = text[20:27] if text[20] == "." else ".000000"
    return f"{text[1:11]} {text[12:20]}{fraction}"


def _encode_time(time: datetime | None) -> str | None:
    return None if time is None else format_naive_utc(time)


def parse_naive_utc(text: str) -> datetime:
    """The aware UTC time that a `format_naive_utc` tells."""
    return datetime.fromisoformat(text + "+00:00")


def _decode_text(text: str | None) -> datetime | None:
    return None if text is None else parse_naive_utc(text)


def _decode_datetime(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class _MariadbString(String):
    """VARCHAR of MariaDB, compared by code point."""

    charset = "utf8mb4"

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length, collation="utf8mb4_nopad_bin")


class _MariadbLongText(_MariadbString):
    """LONGTEXT of MariaDB, compared by code point."""

    __visit_name__ = "LONGTEXT"


class _MariadbLongBlob(LargeBinary):
    """LONGBLOB of MariaDB."""

    __visit_name__ = "LONGBLOB"


def exact_string(length: int) -> TypeEngine[str]:
    """Text compared by code point: "a", "A" and "a " differ, on every database."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(_MariadbString(length), "mysql", "mariadb")
    )


def long_text() -> TypeEngine[str]:
    """Text of any length; MariaDB's plain TEXT would end at 64 KiB."""
    return Text().with_variant(_MariadbLongText(), "mysql", "mariadb")


def sha256_digest() -> TypeEngine[bytes]:
    """The 32 bytes of a SHA-256."""
    return LargeBinary(32).with_variant(BINARY(32), "mysql", "mariadb")


def blob() -> TypeEngine[bytes]:
    """Up to a few MiB of bytes."""
    return LargeBinary().with_variant(_MariadbLongBlob(), "mysql", "mariadb")


def surrogate_key() -> TypeEngine[int]:
    """A 64-bit key that the database counts up; SQLite does so only for INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
