"""Ingest of rejected messages again, as if their source had delivered them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from winchester_core.errors import UnknownRejectedMessage
from winchester_core.ingest.batching import parts_by_bytes
from winchester_core.ingest.decoding import restored_message
from winchester_core.model.message import EventStatus
from winchester_core.pipelines import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winchester_core.ingest.ingester import Ingester
    from winchester_core.model.action import Action
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import RejectedMessage

FAILED: Final = "failed"
"""Outcome of a message that cannot be retried because its body is incomplete."""


class RetryOutcome(NamedTuple):
    """Outcome of a retry: an `EventStatus` or `FAILED`, and the reason if there is one."""

    outcome: str
    reason: str | None

    @property
    def is_final(self) -> bool:
        """Return whether the message need not be kept."""
        return self.outcome not in (FAILED, EventStatus.INVALID)


def retry_rejected(
    store: Store,
    ingester: Ingester,
    rejected: RejectedMessage,
    *,
    datetime_traits: Sequence[str] = (),
    mappings: Sequence[str] = (),
    action: Action | None = None,
) -> RetryOutcome:
    """Retry one message. Delete it unless it is still invalid; then store the new reason.

    `mappings` are used instead of those of its source, if there are any.

    The ingest is a transaction before that of the deletion, with which the `action` is stored.
    Raises `UnknownRejectedMessage` if the message has been deleted meanwhile.
    """
    (found,) = _ingest(ingester, [rejected], datetime_traits, mappings)
    if found.is_final:
        store.delete_rejected(rejected.id, action=action)
    else:
        _keep(store, rejected, found, action)
    return found


def retry_rejected_batch(
    store: Store,
    ingester: Ingester,
    messages: Sequence[RejectedMessage],
    *,
    action: Action | None = None,
) -> list[RetryOutcome]:
    """Retry messages in transactions of bounded size; then delete the valid ones in another.

    The `action` is stored with the deletion; its number is that of the deleted messages.
    """
    outcomes = _ingest(ingester, messages)
    pairs = list(zip(messages, outcomes, strict=True))
    final = [message.id for message, found in pairs if found.is_final]
    if final:
        store.delete_rejected_messages(final, action=action)
    elif action is not None:
        store.record_action(replace(action, number=0))
    for message, found in pairs:
        if not found.is_final:
            with suppress(UnknownRejectedMessage):  # deleted meanwhile
                _keep(store, message, found, None)
    return outcomes


def _ingest(
    ingester: Ingester,
    rejected: Iterable[RejectedMessage],
    datetime_traits: Sequence[str] = (),
    mappings: Sequence[str] = (),
) -> list[RetryOutcome]:
    outcomes: list[RetryOutcome | None] = []
    messages = []
    for each in rejected:
        if len(each.body) < each.body_length:
            reason = f"only {len(each.body)} of its {each.body_length} bytes were stored"
            outcomes.append(RetryOutcome(FAILED, reason))
            continue
        outcomes.append(None)
        message = restored_message(each, datetime_traits)
        messages.append(replace(message, mappings=tuple(mappings)) if mappings else message)
    ingested = iter(
        [
            outcome
            for part in parts_by_bytes(messages)
            if messages
            for outcome in ingester.add_messages(messages[part]).outcomes
        ]
    )
    return [
        RetryOutcome((found := next(ingested)).status.value, found.reason) if each is None else each
        for each in outcomes
    ]


def _keep(
    store: Store, rejected: RejectedMessage, found: RetryOutcome, action: Action | None
) -> None:
    """Store the new reason of a message that is still invalid, and the action."""
    reason = error_text(found.reason or "")
    if found.outcome != FAILED and not rejected.reason.endswith(reason):  # else keep its position
        store.set_rejected_reason(rejected.id, reason, action=action)
    elif action is not None:
        store.record_action(replace(action, number=0))
