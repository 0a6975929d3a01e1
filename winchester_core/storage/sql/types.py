"""Column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import DateTime, TypeDecorator, TypeEngine


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
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def identity(length: int) -> TypeEngine[str]:
    """Text compared by code point: "a", "A" and "a " differ, on every database."""
    return (
        String(length)
        .with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")
        .with_variant(
            mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin"),
            "mysql",
            "mariadb",
        )
    )


def long_text() -> TypeEngine[str]:
    """Text of any length; MariaDB's plain TEXT would end at 64 KiB."""
    return Text().with_variant(
        mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def digest() -> TypeEngine[bytes]:
    """The 32 bytes of a SHA-256."""
    return LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")


def blob() -> TypeEngine[bytes]:
    """Up to a few MiB of bytes."""
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def surrogate() -> TypeEngine[int]:
    """A 64-bit key that the database counts up; SQLite does so only for INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")
