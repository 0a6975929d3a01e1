from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.rabbitmq.session import DeliveryTags

if TYPE_CHECKING:
    from collections.abc import Sequence


def delivery_tags(number: int) -> DeliveryTags:
    made = DeliveryTags()
    for tag in range(1, number + 1):
        made.add(tag)
    return made


def test_all_deliveries_are_settled_by_one_frame() -> None:
    assert delivery_tags(3).settle([1, 2, 3]) == [(3, True)]


def test_a_single_delivery_is_settled_without_multiple() -> None:
    assert delivery_tags(3).settle([1]) == [(1, False)]


def test_unsettled_deliveries_are_never_included() -> None:
    made = delivery_tags(6)
    assert made.settle([5, 2, 1, 4]) == [(2, True), (4, False), (5, False)]
    assert made.settle([3]) == [(3, False)]
    assert made.settle([6]) == [(6, False)]


def test_settled_deliveries_are_skipped() -> None:
    made = delivery_tags(2)
    assert made.settle([2]) == [(2, False)]
    assert made.settle([2, 7]) == []
    assert len(made) == 1


@given(st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=8))
def test_a_broker_removes_exactly_the_settled_deliveries(rounds: Sequence[list[int]]) -> None:
    made, of_broker, wanted = delivery_tags(12), set(range(1, 13)), set(range(1, 13))
    for tags in rounds:
        wanted -= set(tags)
        for tag, multiple in made.settle(tags):
            struck = {each for each in of_broker if each <= tag} if multiple else {tag}
            assert tag in of_broker
            of_broker -= struck
        assert of_broker == wanted
    assert len(made) == len(wanted)
