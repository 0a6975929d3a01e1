from __future__ import annotations

import pytest

from winchester_core.sources.mqtt.packet_ids import PacketIds


@pytest.fixture
def packet_ids() -> PacketIds:
    made = PacketIds()
    assert [made.add(each) for each in (7, 5, 6, 9)] == [1, 2, 3, 4]
    return made


def test_messages_are_acknowledged_in_the_order_of_their_arrival(packet_ids: PacketIds) -> None:
    assert packet_ids.ack([2, 4]) == []
    assert packet_ids.ack([1]) == [7, 5]
    assert packet_ids.ack([3]) == [6, 9]
    assert len(packet_ids) == 0


def test_a_released_message_does_not_delay_the_others(packet_ids: PacketIds) -> None:
    assert packet_ids.ack([3]) == []
    assert packet_ids.release([1, 2]) == [6]
    assert packet_ids.ack([1, 2, 4]) == [9]


def test_at_the_end_all_settled_messages_are_acknowledged(packet_ids: PacketIds) -> None:
    assert packet_ids.ack([2, 4]) == []
    assert packet_ids.release_all() == [5, 9]
    assert packet_ids.release_all() == []
    assert packet_ids.ack([1, 3]) == []


def test_a_settled_message_cannot_be_released(packet_ids: PacketIds) -> None:
    assert packet_ids.ack([2]) == []
    assert packet_ids.release([2]) == []
    assert packet_ids.ack([1]) == [7, 5]


def test_a_message_that_the_broker_repeats_is_ignored_until_it_is_acknowledged(
    packet_ids: PacketIds,
) -> None:
    assert packet_ids.add(5) is None
    assert packet_ids.ack([2]) == []
    assert packet_ids.add(5) is None
    assert packet_ids.ack([1]) == [7, 5]
    assert packet_ids.add(5) == 5


def test_messages_without_a_packet_id_are_not_acknowledged() -> None:
    packet_ids = PacketIds()
    assert [packet_ids.add(each) for each in (0, 8, 0)] == [1, 2, 3]
    assert len(packet_ids) == 3
    assert packet_ids.ack([2, 3]) == []
    assert packet_ids.ack([1]) == [8]
    assert len(packet_ids) == 0


def test_a_number_is_settled_once(packet_ids: PacketIds) -> None:
    assert packet_ids.ack([1, 1]) == [7]
    assert packet_ids.ack([1]) == []
    assert packet_ids.add(7) == 5
    assert packet_ids.ack([1]) == []
    assert packet_ids.ack([2, 3, 4, 5]) == [5, 6, 9, 7]
