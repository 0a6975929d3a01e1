"""``winchester rejected list``: the messages that could not become events."""

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
"""How many are read at a time: each comes with a body of up to 1 MiB."""


class RejectedList(PagedLister):
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
        check_columns(parsed_args.columns, COLUMNS)
        return super().take_action(parsed_args)

    def count(self, session: StoreSession) -> int:
        """How many there are."""
        return session.store.count_rejected(_filter(session))

    def objects(self, session: StoreSession) -> Iterator[dict[str, Any]]:
        """Each, without its body."""
        wanted, cursor = _filter(session), parse_id_cursor(session.args.cursor)
        for page in session.pages(session.store.find_rejected, wanted, cursor, REJECTED_PAGE_SIZE):
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


def _filter(session: StoreSession) -> RejectedFilter:
    args = session.args
    return RejectedFilter(source=args.source, kind=args.kind, **parse_age_bounds(session))


# ``winchester rejected show``: one rejected message with its body.


class RejectedShow(DocumentShow):
    """Show one rejected message with its body.

    A body that is JSON is shown as such. The values of keys like *token*, *password* and
    *secret* are masked; --raw shows the body as it was received. Of a long body the first MiB
    is kept: body_length is the whole body's, body_kept that of what is here.
    """

    examples = (
        "winchester rejected show -c winchester.yaml 7",
        "winchester rejected show -c winchester.yaml 7 --raw -f json",
    )

    document = "body"

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--raw``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="ID", type=positive_number, help="the message's id")
        parser.add_argument(
            "--raw", action="store_true", help="show the body as text, passwords and all"
        )
        return parser

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The message. Raises `UnknownRejectedMessage`."""
        with StoreSession(parsed_args) as session:
            message = session.store.get_rejected(parsed_args.id)
        show = body_text if parsed_args.raw else masked_body
        shown = flat_rejected(message)
        reason = shown.pop("reason")
        return {
            **shown,
            "body_kept": len(message.body),
            "reason": reason,
            "body": show(message.body),
        }


# ``winchester rejected retry|discard``: trying rejected messages again, and forgetting them.


INVALID: Final = "invalid"


class RejectedRetry(BulkCommand["Ingester"]):
    """Take rejected messages in again.

    Each is treated as if its source had just given it: distilled if it is a notification, stored,
    matched with the triggers. The outcome is stored, duplicate (its event is known) or dropped
    (no definition covers it): the rejected message is then removed. If it is invalid still, it
    stays, with the reason of this time, and the exit status is 1.
    """

    examples = (
        "winchester rejected retry -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --source incoming -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    what = "the rejected messages"
    failures = frozenset({FAILED_OUTCOME, INVALID})

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--datetime-trait``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--datetime-trait",
            metavar="NAME",
            action="append",
            default=[],
            help="a trait of the events that is a datetime, as of 'winchester ingest'. Repeated: "
            "all of them",
        )
        return parser

    def tool(self, parsed_args: Namespace) -> Ingester:
        """What takes messages in."""
        from winchester_core.bootstrap import TriggerManager

        return TriggerManager(load_configuration(parsed_args, ignores=("pipelines", "sources")))

    def act(self, tool: Ingester, each_id: int, parsed_args: Namespace) -> tuple[str, str | None]:
        """Retry one message; when it is settled, forget it."""
        rejected = tool.store.get_rejected(each_id)
        if len(rejected.body) < rejected.body_length:
            kept, length = len(rejected.body), rejected.body_length
            return FAILED_OUTCOME, f"only {kept} of its {length} bytes were kept"
        outcome = _retry(tool, rejected, tuple(parsed_args.datetime_trait))
        if outcome.status.value == INVALID:
            _update_reason(tool, rejected, outcome.reason or "")
        else:
            tool.store.delete_rejected(each_id)
        return outcome.status.value, outcome.reason


class RejectedDiscard(BulkCommand[StoreSession]):
    """Forget rejected messages.

    They are removed for good, with their bodies. If a source gives one again, and it is bad
    still, it is kept anew.
    """

    examples = (
        "winchester rejected discard -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --older-than 30d -f value --column id "
            "| xargs winchester rejected discard -c winchester.yaml"
        ),
    )
    what = "the rejected messages"

    def tool(self, parsed_args: Namespace) -> StoreSession:
        """The store."""
        return StoreSession(parsed_args)

    def act(self, tool: StoreSession, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Discard one message."""
        tool.store.delete_rejected(each_id)
        return "discarded", None


def _retry(
    manager: Ingester, rejected: RejectedMessage, datetime_traits: tuple[str, ...]
) -> EventOutcome:
    kind = MessageKind(rejected.kind)
    message = Message(rejected.body, kind, redelivered=True, datetime_traits=datetime_traits)
    (outcome,) = manager.add_messages([message]).outcomes
    return outcome


def _update_reason(manager: Ingester, rejected: RejectedMessage, reason: str) -> None:
    """Keep the reason of this time; the same one stays as it is, with the place it names."""
    if not rejected.reason.endswith(reason):
        manager.store.set_rejected_reason(rejected.id, reason)
