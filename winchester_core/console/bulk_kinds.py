"""Kinds of bulk actions: the objects that each selects, and its change of a batch of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from winchester_core.console import actions
from winchester_core.console.resources import OUTBOX, REJECTED, STREAMS
from winchester_core.errors import UnknownRejectedMessage
from winchester_core.ingest.rejected_retry import retry_rejected_batch
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import ERROR_STATES, WAITING_STATES
from winchester_core.service.exit import UsageError
from winchester_core.storage.records import StreamVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site
    from winchester_core.model.action import Action
    from winchester_core.storage.records import RejectedMessage

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Maximum total size of messages that are ingested together, unless one is larger."""

SKIPPED: Final = "skipped"


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An action on many objects.

    `select` restricts the store's filter to objects for which the action is allowed. `identify`
    returns the data of an object that `apply` needs. `apply` changes objects in one transaction, in
    which it stores the action, and returns their number by outcome. `defaults` describes `select`.
    `rows` returns the number of rows that the action deletes with an object.
    """

    name: str
    resource: Resource
    participle: str
    defaults: str
    select: Callable[[Any], Any]
    identify: Callable[[Any], Any]
    apply: Callable[[Site, Any, Sequence[Any], Action], Mapping[str, int]]
    rows: Callable[[Any], int] = lambda _found: 1


def _failed_streams(selection: Any) -> Any:
    """Return a filter restricted to streams in error."""
    return _with_states(selection, ERROR_STATES, "reset")


def _discarded_streams(selection: Any) -> Any:
    """Return a filter restricted to streams in error; of unknown triggers, also waiting ones."""
    if selection.unknown_to is None:
        return _with_states(selection, ERROR_STATES, "discarded")
    return _with_states(selection, (*WAITING_STATES, *ERROR_STATES), "discarded")


def _with_states(selection: Any, allowed: Sequence[Any], participle: str) -> Any:
    for state in selection.states:
        if state not in allowed:
            raise UsageError(
                f"state {state}: streams in this state cannot be {participle} by a filter; "
                f"allowed: {', '.join(allowed)}"
            )
    return replace(selection, states=selection.states or tuple(allowed))


def _dead_letters(selection: Any) -> Any:
    """Return a filter of effects in one state; the default is dead."""
    return replace(selection, state=selection.state or EffectState.DEAD)


def _stream_version(stream: Any) -> StreamVersion:
    return StreamVersion(stream.id, stream.state_serial_no)


def _object_id(found: Any) -> int:
    return int(found.id)


def _reset(site: Site, _selection: Any, versions: Sequence[Any], action: Action) -> Counter[str]:
    states = site.store.reset_streams(versions, action=action)
    outcomes = Counter(state.value for state in states.values())
    return _with_skipped(outcomes, len(versions))


def _discard(site: Site, selection: Any, versions: Sequence[Any], action: Action) -> Counter[str]:
    done = site.store.discard_streams(versions, selection.states, action=action)
    return _with_skipped(Counter(discarded=len(done)), len(versions))


def _retry_effects(site: Site, selection: Any, ids: Sequence[Any], action: Action) -> Counter[str]:
    done = site.store.retry_effects(ids, (selection.state,), action=action)
    return _with_skipped(Counter(retried=len(done)), len(ids))


def _discard_effects(
    site: Site, selection: Any, ids: Sequence[Any], action: Action
) -> Counter[str]:
    done = site.store.discard_effects(ids, (selection.state,), action=action)
    return _with_skipped(Counter(discarded=len(done)), len(ids))


def _discard_rejected(
    site: Site, _selection: Any, ids: Sequence[Any], action: Action
) -> Counter[str]:
    done = site.store.delete_rejected_messages(ids, action=action)
    return _with_skipped(Counter(discarded=len(done)), len(ids))


def _retry_rejected(
    site: Site, _selection: Any, ids: Sequence[Any], action: Action
) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    with site.ingester() as ingester:
        for messages in _message_batches(site, ids):
            found = retry_rejected_batch(site.store, ingester, messages, action=action)
            outcomes.update(each.outcome for each in found)
    return _with_skipped(outcomes, len(ids))


def _message_batches(site: Site, ids: Sequence[int]) -> Iterator[list[RejectedMessage]]:
    """Yield the messages that still exist, in batches that fit in memory."""
    batch: list[RejectedMessage] = []
    size = 0
    for each in ids:
        try:
            message = site.store.get_rejected(each)
        except UnknownRejectedMessage:
            continue
        if batch and size + len(message.body) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.body)
    if batch:
        yield batch


def _with_skipped(outcomes: Counter[str], total: int) -> Counter[str]:
    if skipped := total - outcomes.total():
        outcomes[SKIPPED] += skipped
    return outcomes


BULK_ACTIONS: Final[Mapping[str, BulkAction]] = {
    each.name: each
    for each in (
        BulkAction(
            actions.RESET,
            STREAMS,
            "reset",
            "streams in error",
            _failed_streams,
            _stream_version,
            _reset,
        ),
        BulkAction(
            actions.DISCARD,
            STREAMS,
            "discarded",
            "streams in error; with `unknown`, also streams that wait for a worker",
            _discarded_streams,
            _stream_version,
            _discard,
            lambda stream: stream.event_count + 1,
        ),
        BulkAction(
            actions.RETRY_REJECTED,
            REJECTED,
            "retried",
            "all rejected messages",
            lambda selection: selection,
            _object_id,
            _retry_rejected,
        ),
        BulkAction(
            actions.DISCARD_REJECTED,
            REJECTED,
            "discarded",
            "all rejected messages",
            lambda selection: selection,
            _object_id,
            _discard_rejected,
        ),
        BulkAction(
            actions.RETRY_EFFECT,
            OUTBOX,
            "retried",
            "effects in one state (default: dead)",
            _dead_letters,
            _object_id,
            _retry_effects,
        ),
        BulkAction(
            actions.DISCARD_EFFECT,
            OUTBOX,
            "discarded",
            "effects in one state (default: dead)",
            _dead_letters,
            _object_id,
            _discard_effects,
        ),
    )
}
"""The actions on many objects, by the name in the record of actions."""
