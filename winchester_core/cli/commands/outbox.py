"""``winchester outbox list|show|retry|discard``: effects that have not been delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli import listing
from winchester_core.cli.bulk_command import BulkCommand
from winchester_core.cli.options import Flag, positive_number
from winchester_core.model.effect import BLOCKED, EffectState
from winchester_core.storage.effect_records import EffectFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.cli.session import StoreSession
    from winchester_core.storage.interface import Store


EFFECTS: Final = listing.Records(
    "effects",
    EffectFilter,
    paths="id effect_id state endpoint.pipeline endpoint.handler endpoint.place stream_id "
    "stream_name attempts created_at waiting_since due_at worker last_error",
    page_size=20,  # each has a payload of up to 4 MiB
)
FILTERS: Final = (
    listing.Filter("--pipeline NAME", "only effects of this pipeline"),
    listing.Filter(
        "--handler NAME",
        "only effects of handlers with this name in a pipeline; followed by the receiver if the "
        "handler has several, as in notify:mail",
    ),
    listing.Filter(
        "--stream ID",
        "only effects of the stream with this id",
        field="stream_id",
        type=positive_number,
    ),
    *listing.recorded_filters("recorded"),
)


class OutboxList(listing.PagedLister):
    """List pending effects, dead letters and discarded effects, by id.

    The columns are the id in the outbox, the state (pending, dead, or discarded if a replay did not
    deliver it), the pipeline and the handler, the id of the stream, the number of delivery
    attempts, the time when the effect was recorded, the time when it is due, and the last error.
    Times are those of the database server. due_at is empty for a dead letter, a discarded effect,
    and an effect that waits for an earlier effect of the same stream and handler. If a worker is
    delivering the effect, due_at is the end of the lease. Further columns are effect_id (the id
    that the handler and other systems use), place (position among the pipeline's handlers with the
    same name, from 0), stream_name, waiting_since (start of the effect's age) and worker.
    'winchester outbox show' shows the payload.
    """

    examples = (
        "winchester outbox list -c winchester.yaml --state dead --younger-than 1d",
        "winchester outbox list -c winchester.yaml --handler mail --count",
        (
            "winchester outbox list -c winchester.yaml --state dead -f value --column id "
            "| xargs winchester outbox retry -c winchester.yaml"
        ),
    )
    records = EFFECTS
    further_columns = ("effect_id", "place", "stream_name", "waiting_since", "worker")
    filters = (
        listing.Filter(
            "--state",
            "only effects in this state, one of %(choices)s",
            lambda _session, state: EffectState(state),
            choices=[state.value for state in EffectState],
        ),
        *FILTERS,
    )
    arguments = filters


class OutboxShow(listing.DocumentShow):
    """Show one effect that has not been delivered, with its payload.

    The values of keys like *token*, *password* and *secret* are masked; --raw shows the payload as
    the stored text. A datetime in it is an object: {"datetime": "..."}.
    """

    examples = (
        "winchester outbox show -c winchester.yaml 7",
        "winchester outbox show -c winchester.yaml 7 --raw -f json",
    )
    arguments = listing.document_arguments("effect", "payload")
    document_key = "payload"

    def read(self, store: Store, record_id: int) -> tuple[dict[str, Any], bytes]:
        """Return the effect and its payload. Raises `UnknownEffect`."""
        effect = store.get_effect(record_id)
        return EFFECTS.flat(effect), effect.payload.encode()


class OutboxRetry(BulkCommand):
    """Make effects due for delivery now.

    A dead letter or a discarded effect becomes pending again: its attempts and its age are counted
    from zero, and it keeps its effect_id. A pending effect becomes due at once. The outcome is
    "due", or "waiting" if an earlier effect of the same stream and handler must be delivered first.
    If a worker is delivering the effect, it is not changed, and the exit status is 1.

    --all selects all dead letters, or the dead letters that match the filters.
    """

    examples = (
        "winchester outbox retry -c winchester.yaml 7 8",
        "winchester outbox retry -c winchester.yaml --all --handler mail --younger-than 12h",
    )
    plural = "effects"
    records = EFFECTS
    selected: Mapping[str, Any] = {"state": EffectState.DEAD}
    selected_noun = "dead letters"
    filters = FILTERS
    arguments = (Flag("--all", "all dead letters, instead of ids"), *FILTERS)

    def process(self, session: StoreSession, item_id: int) -> tuple[str, str | None]:
        """Retry one effect."""
        effect = session.store.retry_effect(item_id)
        return ("due", None) if effect.due_at is not None else ("waiting", BLOCKED)


class OutboxDiscard(BulkCommand):
    """Delete effects without delivering them.

    Pending, dead and discarded effects are deleted permanently. If a worker is delivering the
    effect, it is not changed, and the exit status is 1.
    """

    examples = (
        "winchester outbox discard -c winchester.yaml 7 8",
        (
            "winchester outbox list -c winchester.yaml --state dead --older-than 30d -f value "
            "--column id | xargs winchester outbox discard -c winchester.yaml"
        ),
    )
    plural = "effects"
    method, outcome = "discard_effect", "discarded"
