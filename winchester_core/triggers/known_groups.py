"""The groups of late: most events belong to a group that an event before them belonged to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.triggers.grouping import Group, Grouping, Identity

MAX_GROUPS = 20_000
"""How many groups are remembered, some ten megabytes."""


class KnownGroups:
    """Remembers groups by what tells them apart, of however many triggers. Bounded.

    To find one takes half the time of reckoning its values and its key. Safe to share between
    threads.
    """

    def __init__(self) -> None:
        self._groups: dict[Identity, Group] = {}

    def of(
        self, grouping: Grouping, event: Mapping[str, Any], stand_ins: Mapping[str, str]
    ) -> Group:
        """What `grouping.of(event, stand_ins)` gives. Raises `NoGroup` as it does."""
        identity = None if stand_ins else grouping.identity(event)
        if identity is None:
            return grouping.of(event, stand_ins)
        group = self._groups.get(identity)
        if group is None:
            group = grouping.of(event, stand_ins)
            if len(self._groups) >= MAX_GROUPS:
                self._groups.clear()  # all at once: what is in use is soon known again
            self._groups[identity] = group
        return group
