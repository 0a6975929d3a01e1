"""``winchester rejected list|show|retry|discard``: messages that could not become events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.bulk import FAILED_OUTCOME, BulkCommand
from winchester_core.cli.options import load_configuration, positive_number
from winchester_core.cli.output import DocumentShow, PagedLister, check_columns, parse_id_cursor
from winchester_core.cli.session import StoreSession, add_age_options, parse_age_bounds
from winchester_core.cli.values import body_text, iso_text, masked_body
from winchester_core.model.message import Message, MessageKind
from winchester_core.storage.records import RejectedFilter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from winchester_core.ingest import EventOutcome, Ingester
    from winchester_core.storage.records import RejectedMessage


COLUMNS: Final = ("id", "source", "kind", "received_at", "body_length", "digest", "reason")
REJECTED_PAGE_SIZE: Final = 20
"""Messages read at a time: each has a body of up to 1 MiB."""


class RejectedList(PagedLister):
    """List rejected messages, by id.

    The columns are the id, the source, the kind (event or notification), when it was stored (the
    database server's time), the length of the body in bytes, the body's SHA-256, and why the
    message was rejected. 'winchester rejected show' shows the body.
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
            help="only messages from this source; 'file' stands for 'winchester ingest --file'",
        )
        parser.add_argument(
            "--kind",
            choices=[kind.value for kind in MessageKind],
            help="only messages of this kind",
        )
        add_age_options(parser, "stored")
        return parser

    def take_action(self, parsed_args: Any) -> tuple[Any, Any]:
        """Return the columns and messages. Raises `UsageError` for an unknown column."""
        check_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: StoreSession) -> int:
        """Return the number of messages."""
        return session.store.count_rejected(_filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Yield each message without its body."""
        filters, cursor = _filter(session), parse_id_cursor(session.args.cursor)
        for page in session.pages(session.store.find_rejected, filters, cursor, REJECTED_PAGE_SIZE):
            yield from map(flat_rejected, page)


def flat_rejected(message: RejectedMessage) -> dict[str, Any]:
    """Return a rejected message as a flat object with the keys in `COLUMNS`."""
    return {
        "id": message.id,
        "source": message.source,
        "kind": message.kind,
        "received_at": iso_text(message.received_at),
        "body_length": message.body_length,
        "digest": message.digest.hex(),
        "reason": message.reason,
    }


def _filter(session: StoreSession) -> RejectedFilter:
    args = session.args
    return RejectedFilter(source=args.source, kind=args.kind, **parse_age_bounds(session))


class RejectedShow(DocumentShow):
    """Show one rejected message with its body.

    A JSON body is shown as JSON. The values of keys like *token*, *password* and *secret* are
    masked; --raw shows the body as received. Only the first MiB of a body is stored: body_length
    is the length of the whole body, body_kept that of the stored part.
    """

    examples = (
        "winchester rejected show -c winchester.yaml 7",
        "winchester rejected show -c winchester.yaml 7 --raw -f json",
    )

    document_key = "body"

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--raw``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the message's id")
        parser.add_argument(
            "--raw", action="store_true", help="show the body as text, with its secrets"
        )
        return parser

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the message. Raises `UnknownRejectedMessage`."""
        with StoreSession(parsed_args) as session:
            message = session.store.get_rejected(parsed_args.id)
        render = body_text if parsed_args.raw else masked_body
        shown = flat_rejected(message)
        reason = shown.pop("reason")
        return {
            **shown,
            "body_kept": len(message.body),
            "reason": reason,
            "body": render(message.body),
        }


INVALID: Final = "invalid"


class RejectedRetry(BulkCommand["Ingester"]):
    """Ingest rejected messages again.

    Each is processed as if newly received from its source: distilled if it is a notification,
    stored, matched with the triggers. If the outcome is stored, duplicate (its event exists) or
    dropped (no event definition covers it), the rejected message is deleted. If it is still
    invalid, it is kept with the new reason, and the exit status is 1.
    """

    examples = (
        "winchester rejected retry -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --source incoming -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    item_label = "the rejected messages"
    failed_outcomes = frozenset({FAILED_OUTCOME, INVALID})

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--datetime-trait``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--datetime-trait",
            metavar="NAME",
            action="append",
            default=[],
            help="a datetime trait of the events, as for 'winchester ingest'. Repeatable",
        )
        return parser

    def open_resource(self, parsed_args: Namespace) -> Ingester:
        """Return the ingester."""
        from winchester_core.bootstrap import TriggerManager

        return TriggerManager(load_configuration(parsed_args, ignores=("pipelines", "sources")))

    def process(
        self, resource: Ingester, item_id: int, parsed_args: Namespace
    ) -> tuple[str, str | None]:
        """Retry one message; delete it unless it is still invalid."""
        rejected = resource.store.get_rejected(item_id)
        if len(rejected.body) < rejected.body_length:
            stored, length = len(rejected.body), rejected.body_length
            return FAILED_OUTCOME, f"only {stored} of its {length} bytes were stored"
        outcome = _retry(resource, rejected, tuple(parsed_args.datetime_trait))
        if outcome.status.value == INVALID:
            _update_reason(resource, rejected, outcome.reason or "")
        else:
            resource.store.delete_rejected(item_id)
        return outcome.status.value, outcome.reason


class RejectedDiscard(BulkCommand[StoreSession]):
    """Delete rejected messages.

    They are deleted permanently, with their bodies. A message that a source delivers again, and
    that is still invalid, is stored again.
    """

    examples = (
        "winchester rejected discard -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --older-than 30d -f value --column id "
            "| xargs winchester rejected discard -c winchester.yaml"
        ),
    )
    item_label = "the rejected messages"

    def open_resource(self, parsed_args: Namespace) -> StoreSession:
        """Return the session of the store."""
        return StoreSession(parsed_args)

    def process(
        self, resource: StoreSession, item_id: int, parsed_args: Namespace
    ) -> tuple[str, None]:
        """Discard one message."""
        resource.store.delete_rejected(item_id)
        return "discarded", None


def _retry(
    manager: Ingester, rejected: RejectedMessage, datetime_traits: tuple[str, ...]
) -> EventOutcome:
    kind = MessageKind(rejected.kind)
    message = Message(rejected.body, kind, redelivered=True, datetime_traits=datetime_traits)
    (outcome,) = manager.add_messages([message]).outcomes
    return outcome


def _update_reason(manager: Ingester, rejected: RejectedMessage, reason: str) -> None:
    """Store the new reason; the same one is kept, with the position that precedes it."""
    if not rejected.reason.endswith(reason):
        manager.store.set_rejected_reason(rejected.id, reason)
