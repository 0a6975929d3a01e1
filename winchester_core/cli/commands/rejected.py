"""``winchester rejected list|show|retry|discard``: messages that could not become events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli import listing
from winchester_core.cli.bulk_command import FAILED_OUTCOME, BulkCommand
from winchester_core.cli.input_options import check_mapping_names
from winchester_core.cli.options import Repeated
from winchester_core.masking import masked_context
from winchester_core.model.message import EventStatus, MessageKind
from winchester_core.storage.filters import RejectedFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.cli.bulk_command import BulkResult
    from winchester_core.cli.session import StoreSession
    from winchester_core.storage.interface import Store


REJECTED: Final = listing.Records(
    "rejected",
    RejectedFilter,
    paths="id source kind received_at body_length digest reason",
    page_size=20,  # each has a body of up to 1 MiB
)


class RejectedList(listing.PagedLister):
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
        listing.Filter(
            "--source NAME",
            "only messages from this source; the source of 'winchester ingest --file' is 'file'",
        ),
        listing.Filter(
            "--kind", "only messages of this kind", choices=[kind.value for kind in MessageKind]
        ),
        *listing.recorded_filters("stored"),
    )
    arguments = filters


class RejectedShow(listing.DocumentShow):
    """Show one rejected message with its body.

    A JSON body is shown as JSON. The values of keys like *token*, *password* and *secret* are
    masked; --raw shows the body as received. Only the first MiB of a body is stored: body_length is
    the length of the whole body, body_kept the length of the stored part. The context of a message
    with mappings has their names, and the headers and properties that they read.
    """

    examples = (
        "winchester rejected show -c winchester.yaml 7",
        "winchester rejected show -c winchester.yaml 7 --raw -f json",
    )
    arguments = listing.document_arguments("message", "body")
    document_key = "body"

    def read(self, store: Store, record_id: int) -> tuple[dict[str, Any], bytes]:
        """Return the message and its body. Raises `UnknownRejectedMessage`."""
        message = store.get_rejected(record_id)
        shown = REJECTED.flat(message)
        reason = shown.pop("reason")
        context = {} if message.context is None else {"context": masked_context(message.context)}
        shown |= {"body_kept": len(message.body), **context, "reason": reason}
        return shown, message.body


class RejectedRetry(BulkCommand):
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
        "winchester rejected retry -c winchester.yaml 7 --mapping cameras",
    )
    arguments = (
        Repeated(
            "--datetime-trait NAME",
            "a datetime trait of the events, as for 'winchester ingest'. Repeatable",
        ),
        Repeated(
            "--mapping NAME",
            "a mapping that makes events of the messages, instead of the mappings of their source "
            "when they were rejected. Repeatable, tried in this order",
        ),
    )
    plural = "rejected messages"
    failed_outcomes = frozenset({FAILED_OUTCOME, EventStatus.INVALID})

    ignored_parts = ("pipelines", "sources")

    def results(self, session: StoreSession) -> Iterator[BulkResult]:
        """Retry the messages; yield the results."""
        from winchester_core.bootstrap import make_ingester, stream_clock

        settings, store = session.settings, session.store
        check_mapping_names(settings, session.args.mapping)
        self._ingester = make_ingester(settings, store, stream_clock(settings, store))
        try:
            yield from super().results(session)
        finally:
            self._ingester.debug.close()

    def process(self, session: StoreSession, item_id: int) -> tuple[str, str | None]:
        """Retry one message; delete it unless it is still invalid."""
        from winchester_core.ingest.rejected_retry import retry_rejected

        return retry_rejected(
            session.store,
            self._ingester,
            session.store.get_rejected(item_id),
            datetime_traits=session.args.datetime_trait,
            mappings=session.args.mapping,
        )


class RejectedDiscard(BulkCommand):
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
