"""The pages of the console on the prepared site: a path for each, with objects worth looking at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders.shop_day import SILENT_HOST
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamOutcome, StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import EventFilter, ListOrder, StreamFilter

if TYPE_CHECKING:
    from support.scenes.prepared_site import PreparedSite
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.sql.store import SqlStore

LISTS = {
    "overview": "/",
    "overview-week": "/?since=7d",
    "triggers": "/triggers",
    "trigger": "/triggers/order",
    "trigger-mismatch": "/triggers/disk_full",
    "streams": "/streams",
    "streams-failed": "/streams?state=error",
    "streams-none": "/streams?trigger=disk_full",
    "events": "/events",
    "rejected": "/rejected",
    "outbox": "/outbox",
    "site": "/site",
}
"""Pages without an id in their path."""


def console_pages(site: PreparedSite) -> dict[str, str]:
    """Return the paths by the names of the pages."""
    with site.store() as store:
        return LISTS | {
            "stream-silent": _stream(store, "nightly_backup", StreamOutcome.EXPIRED),
            "stream-next-silent": _stream(store, "nightly_backup", StreamOutcome.ACTIVE),
            "stream-active": _stream(store, "order", StreamOutcome.ACTIVE),
            "stream-failed": _stream(store, "order", StreamOutcome.FAILED),
            "stream-fired": _stream(store, "brute_force", StreamOutcome.FIRED),
            "stream-suppressed": _stream(store, "brute_force", StreamOutcome.SUPPRESSED),
            "stream-cancelled": _stream(store, "order", StreamOutcome.CANCELLED),
            "stream-sum": _stream(store, "large_export", StreamOutcome.ACTIVE),
            "event": _event(store, "order.paid"),
            "event-mismatch": _event(store, "host.disk"),
            "rejected-message": f"/rejected/{store.find_rejected(limit=1)[0].id}",
            "effect-pending": _effect(store, EffectState.PENDING),
            "effect-dead": _effect(store, EffectState.DEAD),
        }


def _stream(store: SqlStore, name: str, outcome: StreamOutcome) -> str:
    """Return the path of the stream with most events; of a backup, the silent host's."""
    states = (StreamState.ACTIVE,) if outcome is StreamOutcome.ACTIVE else ()
    streams = [
        stream
        for stream in store.find_streams(StreamFilter(name=name, states=states), limit=1000)
        if stream.outcome is outcome and _is_wanted(stream)
    ]
    return f"/streams/{max(streams, key=lambda stream: stream.event_count).id}"


def _is_wanted(stream: StreamRecord) -> bool:
    return stream.distinguished_by.get("host", SILENT_HOST) == SILENT_HOST


def _event(store: SqlStore, event_type: str) -> str:
    events = store.find_events(EventFilter(event_type=event_type), limit=1, order=ListOrder.NEWEST)
    return f"/events/{events[0]['message_id']}"


def _effect(store: SqlStore, state: EffectState) -> str:
    return f"/outbox/{store.find_effects(EffectFilter(state=state), limit=1)[0].id}"
