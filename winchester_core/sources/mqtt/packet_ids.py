"""Unsettled messages of one MQTT connection, and the order of their acknowledgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_PACKET_ID = 0
"""Packet id of a message that is not acknowledged, for example with QoS 0."""


class PacketIds:
    """Packet ids of unsettled messages, in the order of arrival.

    Messages are numbered, because the broker uses a packet id again after its acknowledgement.
    MQTT requires that messages are acknowledged in the order of their arrival (MQTT 5, section
    4.6). So the acknowledgement of a message waits until the messages before it are settled.
    """

    def __init__(self) -> None:
        self._packet_ids: dict[int, int] = {}
        self._in_use: set[int] = set()
        self._acked: set[int] = set()
        self._last_number = 0

    def __len__(self) -> int:
        """Return the number of messages that are not settled, or settled but not acknowledged."""
        return len(self._packet_ids)

    def add(self, packet_id: int) -> int | None:
        """Add a received message; return its number.

        Return None if the broker repeats a message that is not settled yet. One acknowledgement is
        enough for both.
        """
        if packet_id != NO_PACKET_ID:
            if packet_id in self._in_use:
                return None
            self._in_use.add(packet_id)
        self._last_number += 1
        self._packet_ids[self._last_number] = packet_id
        return self._last_number

    def ack(self, numbers: Iterable[int]) -> list[int]:
        """Settle messages; return the packet ids to acknowledge now, in order."""
        self._acked.update(number for number in numbers if number in self._packet_ids)
        return self._take_acknowledged()

    def release(self, numbers: Iterable[int]) -> list[int]:
        """Remove messages without acknowledging them; return as `ack`."""
        for number in numbers:
            if number in self._packet_ids and number not in self._acked:
                self._remove(number)
        return self._take_acknowledged()

    def release_all(self) -> list[int]:
        """Remove all messages; return the packet ids of the settled ones."""
        return self.release(list(self._packet_ids))

    def _take_acknowledged(self) -> list[int]:
        taken = []
        while self._packet_ids and (first := next(iter(self._packet_ids))) in self._acked:
            taken.append(self._remove(first))
            self._acked.discard(first)
        return [packet_id for packet_id in taken if packet_id != NO_PACKET_ID]

    def _remove(self, number: int) -> int:
        packet_id = self._packet_ids.pop(number)
        self._in_use.discard(packet_id)
        return packet_id
