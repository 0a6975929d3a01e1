"""The outbox's part of the store on an SQL database; each method is one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from winchester_core.storage.effect_records import ANY_EFFECT, Settled
from winchester_core.storage.sql import outbox
from winchester_core.storage.sql.queries import stored_effects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        Settlement,
        StoredEffect,
    )
    from winchester_core.storage.sql.database import Database


class SqlEffectStore:
    """An `EffectStore` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._dialect = database.dialect

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """See `EffectStore.claim_effects`."""
        return self.database.write(
            partial(
                outbox.claim_effects,
                dialect=self._dialect,
                endpoint=endpoint,
                worker=worker,
                limit=limit,
                lease=lease,
            )
        )

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """See `EffectStore.renew_effects`."""
        return self.database.write(
            partial(outbox.renew_effects, dialect=self._dialect, held=claims, lease=lease)
        )

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """See `EffectStore.release_effects`."""
        return self.database.write(
            partial(outbox.release_effects, dialect=self._dialect, held=claims)
        )

    def settle_effects(self, settlements: Sequence[Settlement]) -> Settled:
        """See `EffectStore.settle_effects`."""
        if not settlements:
            return Settled()
        return self.database.write(
            partial(outbox.settle_effects, dialect=self._dialect, settlements=settlements)
        )

    def give_up_effects(self, *, max_age: timedelta, limit: int) -> Mapping[Endpoint, int]:
        """See `EffectStore.give_up_effects`."""
        return self.database.write(
            partial(outbox.give_up_effects, dialect=self._dialect, max_age=max_age, limit=limit)
        )

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """See `EffectStore.next_effect_seconds`."""
        return self.database.read(
            partial(outbox.next_effect_seconds, dialect=self._dialect, endpoint=endpoint)
        )

    def find_effects(
        self, wanted: EffectFilter = ANY_EFFECT, *, cursor: int | None = None, limit: int = 100
    ) -> list[StoredEffect]:
        """See `EffectStore.find_effects`."""
        return self.database.read(
            partial(stored_effects.find, wanted=wanted, cursor=cursor or 0, limit=limit)
        )

    def count_effects(self, wanted: EffectFilter = ANY_EFFECT) -> int:
        """See `EffectStore.count_effects`."""
        return self.database.read(partial(stored_effects.count, wanted=wanted))

    def get_effect(self, effect_id: int) -> StoredEffect:
        """See `EffectStore.get_effect`."""
        return self.database.read(partial(stored_effects.by_id, effect_id=effect_id))

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """See `EffectStore.retry_effect`."""
        return self.database.write(
            partial(outbox.retry_effect, dialect=self._dialect, effect_id=effect_id)
        )

    def discard_effect(self, effect_id: int) -> None:
        """See `EffectStore.discard_effect`."""
        self.database.write(
            partial(outbox.discard_effect, dialect=self._dialect, effect_id=effect_id)
        )
