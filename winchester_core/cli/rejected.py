"""``winchester rejected list``: the messages that could not become events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.ages import add_age_options, read_ages
from winchester_core.cli.listing import ObjectLister, numeric_cursor
from winchester_core.cli.moments import iso_text
from winchester_core.cli.output import known_columns
from winchester_core.model.message import MessageKind
from winchester_core.storage.records import RejectedFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from winchester_core.cli.session import Session
    from winchester_core.storage.records import RejectedMessage

COLUMNS: Final = ("id", "source", "kind", "received_at", "body_length", "digest", "reason")
PAGE: Final = 20
"""How many are read at a time: each comes with a body of up to 1 MiB."""


class RejectedList(ObjectLister):
    """List rejected messages, by id.

    Each with its id, its source, its kind (event or notification), when it was kept (the
    database server's time), the length of its body in bytes, the body's SHA-256, and why it was
    rejected. 'winchester rejected show' shows the body.
    """

    examples = (
        "winchester rejected list -c winchester.yaml",
        "winchester rejected list -c winchester.yaml --source incoming --younger-than 1d --count",
        (
            "winchester rejected list -c winchester.yaml -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    default_columns = COLUMNS

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--source",
            metavar="NAME",
            help="only those of this source; what 'winchester ingest --file' read is of 'file'",
        )
        parser.add_argument(
            "--kind", choices=[kind.value for kind in MessageKind], help="only those of this kind"
        )
        add_age_options(parser, "kept")
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """As any listing; a column that there is not is refused, since it would stay empty."""
        known_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: Session) -> int:
        """How many there are."""
        return session.store.count_rejected(_filter(session))

    def objects(self, session: Session) -> Iterator[dict[str, Any]]:
        """Each, without its body."""
        wanted, cursor = _filter(session), numeric_cursor(session.args.cursor)
        for page in session.pages(session.store.find_rejected, wanted, cursor, PAGE):
            yield from map(flat_rejected, page)


def flat_rejected(message: RejectedMessage) -> dict[str, Any]:
    """A rejected message as it is shown, under the names of `COLUMNS`."""
    return {
        "id": message.id,
        "source": message.source,
        "kind": message.kind,
        "received_at": iso_text(message.received_at),
        "body_length": message.body_length,
        "digest": message.digest.hex(),
        "reason": message.reason,
    }


def _filter(session: Session) -> RejectedFilter:
    args = session.args
    return RejectedFilter(source=args.source, kind=args.kind, **read_ages(session))
