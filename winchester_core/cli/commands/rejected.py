"""``winchester rejected list|show|retry|discard``: messages that could not become events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.bulk import FAILED_OUTCOME, BulkCommand, StoreAction
from winchester_core.cli.listing import (
    DocumentShow,
    Filter,
    PagedLister,
    Records,
    document_arguments,
    recorded_filters,
)
from winchester_core.cli.options import Repeated, load_configuration
from winchester_core.model.message import Message, MessageKind
from winchester_core.storage.records import RejectedFilter

if TYPE_CHECKING:
    from argparse import Namespace

    from winchester_core.ingest import EventOutcome, Ingester
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import RejectedMessage


REJECTED: Final = Records(
    "rejected",
    RejectedFilter,
    paths=("id", "source", "kind", "received_at", "body_length", "digest", "reason"),
    page_size=20,  # each has a body of up to 1 MiB
)


class RejectedList(PagedLister):
    """List rejected messages, by id.

    The columns are the id, the source, the kind (event or notification), the time when the message
    was stored (the database server's time), the length of the body in bytes, the body's SHA-256,
    and the reason why the message was rejected. 'winchester rejected show' shows the body.
    """

    examples = (
        "winchester rejected list -c winchester.yaml",
        "winchester rejected list -c winchester.yaml --source incoming --younger-than 1d --count",
        (
            "winchester rejected list -c winchester.yaml -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    records = REJECTED
    filters = (
        Filter(
            "--source",
            "NAME",
            "only messages from this source; the source of 'winchester ingest --file' is 'file'",
        ),
        Filter(
            "--kind",
            None,
            "only messages of this kind",
            choices=[kind.value for kind in MessageKind],
        ),
        *recorded_filters("stored"),
    )
    arguments = filters


class RejectedShow(DocumentShow):
    """Show one rejected message with its body.

    A JSON body is shown as JSON. The values of keys like *token*, *password* and *secret* are
    masked; --raw shows the body as received. Only the first MiB of a body is stored: body_length is
    the length of the whole body, body_kept the length of the stored part.
    """

    examples = (
        "winchester rejected show -c winchester.yaml 7",
        "winchester rejected show -c winchester.yaml 7 --raw -f json",
    )
    arguments = document_arguments("message", "body")
    document_key = "body"

    def read(self, store: Store, record_id: int) -> tuple[dict[str, Any], bytes]:
        """Return the message and its body. Raises `UnknownRejectedMessage`."""
        message = store.get_rejected(record_id)
        shown = REJECTED.flat(message)
        reason = shown.pop("reason")
        return {**shown, "body_kept": len(message.body), "reason": reason}, message.body


INVALID: Final = "invalid"


class RejectedRetry(BulkCommand["Ingester"]):
    """Ingest rejected messages again.

    Each message is processed as if its source had delivered it again: it is distilled if it is a
    notification, then stored and matched with the triggers. If the outcome is "stored", "duplicate"
    (its event exists already) or "dropped" (no event definition covers it), the rejected message is
    deleted. If it is still invalid, it is kept with the new reason, and the exit status is 1.
    """

    examples = (
        "winchester rejected retry -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --source incoming -f value --column id "
            "| xargs winchester rejected retry -c winchester.yaml"
        ),
    )
    arguments = (
        Repeated(
            "--datetime-trait",
            "NAME",
            "a datetime trait of the events, as for 'winchester ingest'. Repeatable",
        ),
    )
    plural = "rejected messages"
    failed_outcomes = frozenset({FAILED_OUTCOME, INVALID})

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


class RejectedDiscard(StoreAction):
    """Delete rejected messages.

    They are deleted permanently, with their bodies. If a source delivers a message again and it is
    still invalid, it is stored again.
    """

    examples = (
        "winchester rejected discard -c winchester.yaml 7 8",
        (
            "winchester rejected list -c winchester.yaml --older-than 30d -f value --column id "
            "| xargs winchester rejected discard -c winchester.yaml"
        ),
    )
    plural = "rejected messages"
    method, outcome = "delete_rejected", "discarded"


def _retry(
    manager: Ingester, rejected: RejectedMessage, datetime_traits: tuple[str, ...]
) -> EventOutcome:
    kind = MessageKind(rejected.kind)
    message = Message(rejected.body, kind, redelivered=True, datetime_traits=datetime_traits)
    (outcome,) = manager.add_messages([message]).outcomes
    return outcome


def _update_reason(manager: Ingester, rejected: RejectedMessage, reason: str) -> None:
    """Store the new reason. If it has not changed, keep the old one, which has a position."""
    if not rejected.reason.endswith(reason):
        manager.store.set_rejected_reason(rejected.id, reason)
