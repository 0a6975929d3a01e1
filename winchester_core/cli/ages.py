"""``--older-than`` and ``--younger-than``, in real time, of what the database keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from winchester_core.cli.moments import read_moment_ago

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

    from winchester_core.cli.session import Session


class Ages(TypedDict):
    """What filters take of it."""

    older_than: datetime | None
    younger_than: datetime | None


def add_age_options(parser: ArgumentParser, since: str) -> None:
    """Add the two options; `since` is the participle of what began each thing's age."""
    parser.add_argument(
        "--older-than",
        metavar="WHEN",
        help=f"only those {since} earlier: than an ISO 8601 time (UTC without offset), or than a "
        "duration before now (the database server's time), as in 1d",
    )
    parser.add_argument(
        "--younger-than", metavar="WHEN", help=f"only those not {since} earlier than this"
    )


def read_ages(session: Session) -> Ages:
    """The times that the two options name. Raises `UsageError`."""
    args, real_time = session.args, session.store.real_time

    def moment(text: str | None) -> datetime | None:
        return None if text is None else read_moment_ago(text, real_time)

    return {"older_than": moment(args.older_than), "younger_than": moment(args.younger_than)}
