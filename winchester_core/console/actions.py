"""Actions of operators on single objects. Each is recorded in the transaction of its changes.

See `bulk_actions` for actions on all objects that match a filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from winchester_core.errors import EffectInProgress, IllegalTransition
from winchester_core.ingest.rejected_retry import retry_rejected
from winchester_core.masking import body_text
from winchester_core.model.action import Action
from winchester_core.model.effect import BLOCKED
from winchester_core.model.stream import require_failed
from winchester_core.storage.records import StreamVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.console.identity import Identity
    from winchester_core.console.site import Site
    from winchester_core.model.stream import StreamRecord

RESET: Final = "stream.reset"
DISCARD: Final = "stream.discard"
PURGE: Final = "stream.purge"
RETRY_REJECTED: Final = "rejected.retry"
DISCARD_REJECTED: Final = "rejected.discard"
SHOW_REJECTED: Final = "rejected.raw"
RETRY_EFFECT: Final = "outbox.retry"
DISCARD_EFFECT: Final = "outbox.discard"
SHOW_EFFECT: Final = "outbox.raw"
RESET_DEBUG_COUNTS: Final = "trigger.reset"

DUE: Final = "due"
WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class Operator:
    """Sender of an action, and the address of the request."""

    identity: Identity
    address: str

    def action(self, name: str, target: object, number: int = 0) -> Action:
        """Return the record of an action. The store sets the number of changed objects."""
        return Action(
            name=self.identity.name,
            role=self.identity.role,
            address=self.address,
            action=name,
            target=str(target),
            number=number,
        )


class ActionResult(NamedTuple):
    """The outcome of an action on the object `id`, and the reason if the outcome has one."""

    id: int
    outcome: str
    reason: str | None = None


def reset_stream(site: Site, operator: Operator, stream_id: int) -> ActionResult:
    """Reset a stream in error. The outcome is its new state.

    Raises `UnknownStream`, `IllegalTransition`.
    """
    stream = site.store.get_stream_by_id(stream_id)
    require_failed(stream.state, "reset")
    action = operator.action(RESET, stream_id)
    states = site.store.reset_streams([_version(stream)], action=action)
    if stream_id not in states:
        raise _changed(stream, "reset")
    return ActionResult(stream_id, states[stream_id].value)


def discard_stream(site: Site, operator: Operator, stream_id: int) -> ActionResult:
    """Delete a stream in error. Raises `UnknownStream`, `IllegalTransition`."""
    stream = site.store.get_stream_by_id(stream_id)
    require_failed(stream.state, "discarded")
    action = operator.action(DISCARD, stream_id)
    if not site.store.discard_streams([_version(stream)], action=action):
        raise _changed(stream, "discarded")
    return ActionResult(stream_id, "discarded")


def purge_stream(site: Site, operator: Operator, stream_id: int) -> ActionResult:
    """Delete a stream in any state. Raises `UnknownStream`, or `IllegalTransition` if claimed."""
    site.store.purge_stream(stream_id, action=operator.action(PURGE, stream_id))
    return ActionResult(stream_id, "purged")


def retry_rejected_message(site: Site, operator: Operator, rejected_id: int) -> ActionResult:
    """Ingest a rejected message again; it is deleted unless it is still invalid.

    The outcome is an `EventStatus` or ``failed``. Raises `UnknownRejectedMessage`.
    """
    rejected = site.store.get_rejected(rejected_id)
    action = operator.action(RETRY_REJECTED, rejected_id)
    with site.ingester() as ingester:
        return ActionResult(
            rejected_id, *retry_rejected(site.store, ingester, rejected, action=action)
        )


def discard_rejected_message(site: Site, operator: Operator, rejected_id: int) -> ActionResult:
    """Delete a rejected message. Raises `UnknownRejectedMessage`."""
    action = operator.action(DISCARD_REJECTED, rejected_id)
    site.store.delete_rejected(rejected_id, action=action)
    return ActionResult(rejected_id, "discarded")


def retry_effect(site: Site, operator: Operator, effect_id: int) -> ActionResult:
    """Make an effect due, or let it wait for an earlier effect of its stream and handler.

    Raises `UnknownEffect`, `EffectInProgress`.
    """
    action = operator.action(RETRY_EFFECT, effect_id)
    _require_changed(site, effect_id, site.store.retry_effects([effect_id], action=action))
    effect = site.store.get_effect(effect_id)
    if effect.due_at is not None:
        return ActionResult(effect_id, DUE)
    return ActionResult(effect_id, WAITING, BLOCKED)


def discard_effect(site: Site, operator: Operator, effect_id: int) -> ActionResult:
    """Delete an effect. Raises `UnknownEffect`, `EffectInProgress`."""
    action = operator.action(DISCARD_EFFECT, effect_id)
    _require_changed(site, effect_id, site.store.discard_effects([effect_id], action=action))
    return ActionResult(effect_id, "discarded")


def reset_debug_counts(site: Site, operator: Operator, name: str) -> bool:
    """Delete the debug counts of a trigger; return whether there were any."""
    return site.store.reset_debug_counts(name, action=operator.action(RESET_DEBUG_COUNTS, name))


def show_rejected_body(site: Site, operator: Operator, rejected_id: int) -> str:
    """Return the stored part of a rejected message's body with its secrets.

    Bytes that are not UTF-8 are escaped. Raises `UnknownRejectedMessage`.
    """
    body = body_text(site.store.get_rejected(rejected_id).body)
    site.store.record_action(operator.action(SHOW_REJECTED, rejected_id, number=1))
    return body


def show_effect_payload(site: Site, operator: Operator, effect_id: int) -> str:
    """Return an effect's payload, JSON with its secrets. Raises `UnknownEffect`."""
    payload = site.store.get_effect(effect_id).payload
    site.store.record_action(operator.action(SHOW_EFFECT, effect_id, number=1))
    return payload


SINGLE_ACTIONS: Final[Mapping[str, Callable[[Site, Operator, int], ActionResult]]] = {
    RESET: reset_stream,
    DISCARD: discard_stream,
    PURGE: purge_stream,
    RETRY_REJECTED: retry_rejected_message,
    DISCARD_REJECTED: discard_rejected_message,
    RETRY_EFFECT: retry_effect,
    DISCARD_EFFECT: discard_effect,
}
"""Functions of the actions on one object, by the name in the record of actions."""


def _version(stream: StreamRecord) -> StreamVersion:
    return StreamVersion(stream.id, stream.state_serial_no)


def _changed(stream: StreamRecord, participle: str) -> IllegalTransition:
    return IllegalTransition(stream.state, f"{participle}: it has changed meanwhile")


def _require_changed(site: Site, effect_id: int, changed: frozenset[int]) -> None:
    """Raise `UnknownEffect` or `EffectInProgress` for an effect that was not changed."""
    if effect_id not in changed:
        effect: Any = site.store.get_effect(effect_id)
        raise EffectInProgress(effect_id, effect.worker or "")
