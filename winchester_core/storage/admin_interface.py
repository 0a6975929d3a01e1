"""Protocol of the admin role of a store. See `storage.interface` for the other roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.model.stream import ERROR_STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.action import Action
    from winchester_core.model.effect import EffectState
    from winchester_core.model.stream import StreamState
    from winchester_core.storage.effect_records import StoredEffect
    from winchester_core.storage.records import StreamVersion


class AdminStore(Protocol):
    """Operations of an administrator.

    A method with the parameter `action` stores this action of an operator in the same transaction
    as its changes. The stored `number` is the number of changed objects; if it is 0, no action is
    stored.
    """

    def record_action(self, action: Action) -> None:
        """Store an action that changes nothing. The time is the database server's."""

    def set_rejected_reason(
        self, rejected_id: int, reason: str, *, action: Action | None = None
    ) -> None:
        """Replace the reason of a rejected message. Raises `UnknownRejectedMessage`."""

    def delete_rejected(self, rejected_id: int, *, action: Action | None = None) -> None:
        """Delete a rejected message. Raises `UnknownRejectedMessage`."""

    def delete_rejected_messages(
        self, rejected_ids: Sequence[int], *, action: Action | None = None
    ) -> frozenset[int]:
        """Delete the rejected messages with these ids; return the ids of the deleted ones."""

    def reset_stream(self, stream_id: int) -> StreamState:
        """Make a stream in error ready again with 0 failures; return its new state.

        Raises `UnknownStream`, `IllegalTransition`.
        """

    def reset_streams(
        self, versions: Sequence[StreamVersion], *, action: Action | None = None
    ) -> Mapping[int, StreamState]:
        """Reset the streams in `versions` that are in error and unchanged; return their states.

        With an `action`, the history of each stream contains the operator's name.
        """

    def discard_streams(
        self,
        versions: Sequence[StreamVersion],
        states: Collection[StreamState] = ERROR_STATES,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """Purge the unchanged streams in `versions` with one of `states`; return their ids."""

    def purge_stream(self, stream_id: int, *, action: Action | None = None) -> None:
        """Delete a stream and its links, but not its events.

        Raises `UnknownStream`, or `IllegalTransition` while a worker has claimed it.
        """

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """Make a dead letter pending again, like a new effect; make a pending effect due at once.

        It is delivered before later effects of its ordering key, unless one of them is claimed.
        Returns the changed effect; `due_at` is None while another effect must be delivered first.
        Raises `UnknownEffect`, or `EffectInProgress` while a worker has claimed it.
        """

    def retry_effects(
        self,
        effect_ids: Sequence[int],
        states: Collection[EffectState] | None = None,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """Retry the effects with these ids; return the ids of the changed ones.

        Effects that are unknown, claimed by a worker, or in none of `states` are skipped.
        """

    def discard_effect(self, effect_id: int) -> None:
        """Delete an effect. Raises the same errors as `retry_effect`."""

    def discard_effects(
        self,
        effect_ids: Sequence[int],
        states: Collection[EffectState] | None = None,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """Delete the effects with these ids; return the ids of the deleted ones.

        Skips the same effects as `retry_effects`.
        """

    def set_event_clock(self, moment: datetime) -> None:
        """Set the event clock, forwards or backwards."""
