from __future__ import annotations

from winchester_core.sources.kafka.assignment import Assignment, Partition, Token

ORDERS, OTHER = Partition("orders", 0), Partition("orders", 1)


def received(assignment: Assignment, *offsets: int, partition: Partition = ORDERS) -> list[Token]:
    tokens = [assignment.receive(partition, offset) for offset in offsets]
    return [token for token in tokens if token is not None]


def assigned(*partitions: Partition) -> Assignment:
    assignment = Assignment()
    assignment.add(partitions)
    return assignment


def test_the_position_is_the_first_unsettled_offset() -> None:
    assignment = assigned(ORDERS)
    a, b, c = received(assignment, 5, 6, 9)
    assert assignment.settle([b]) == {ORDERS: 5}
    assert assignment.settle([a]) == {ORDERS: 9}
    assert assignment.settle([c]) == {ORDERS: 10}


def test_each_partition_has_its_position() -> None:
    assignment = assigned(ORDERS, OTHER)
    tokens = received(assignment, 1, 2) + received(assignment, 7, partition=OTHER)
    assert assignment.settle([tokens[0], tokens[2]]) == {ORDERS: 2, OTHER: 8}
    assert assignment.next_offsets() == {ORDERS: 3, OTHER: 8}


def test_a_settled_message_has_no_further_effect() -> None:
    assignment = assigned(ORDERS)
    (token,) = received(assignment, 1)
    assert assignment.settle([token, token]) == {ORDERS: 2}
    assert assignment.settle([token]) == {}
    assert not assignment.holds(token)


def test_messages_of_a_revoked_partition_have_no_effect() -> None:
    assignment = assigned(ORDERS, OTHER)
    (token,) = received(assignment, 1)
    assignment.remove([ORDERS])
    assert assignment.settle([token]) == {}
    assert assignment.receive(ORDERS, 2) is None
    assert list(assignment) == [OTHER]


def test_a_partition_that_is_assigned_again_holds_only_new_messages() -> None:
    assignment = assigned(ORDERS)
    (old,) = received(assignment, 1)
    assignment.remove([ORDERS])
    assignment.add([ORDERS])
    (new,) = received(assignment, 1)
    assert assignment.settle([old]) == {}
    assert assignment.holds(new)
    assert old != new
    assert assignment.settle([new]) == {ORDERS: 2}


def test_offsets_that_start_again_are_committed_in_the_order_of_receipt() -> None:
    """The broker deleted and created the topic again, or lost its last messages."""
    assignment = assigned(ORDERS)
    before, after = received(assignment, 900, 0)
    assert assignment.settle([before]) == {ORDERS: 0}
    assert assignment.settle([after]) == {ORDERS: 1}
