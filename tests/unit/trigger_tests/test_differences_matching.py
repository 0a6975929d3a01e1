"""Pairing of actual with expected items."""

from __future__ import annotations

from typing import Any

from winchester_core.config.cases import ExpectedItem
from winchester_core.trigger_tests.differences import differing_fields, match_expected


def expect(**fields: Any) -> ExpectedItem:
    return ExpectedItem(fields, "cases.yaml:1")


def stream(host: str, outcome: str = "fired", **fields: Any) -> dict[str, Any]:
    return {"trigger": "t", "distinguished_by": {"host": host}, "outcome": outcome, **fields}


def test_only_the_given_fields_are_compared() -> None:
    actual = stream("a", events=["e1"], error="ValueError: no disk")
    assert differing_fields(expect(trigger="t", events=["e1"], error="no disk"), actual) == []
    assert differing_fields(expect(outcome="expired", error="no light"), actual) == [
        "outcome",
        "error",
    ]
    assert differing_fields(expect(error="no disk"), stream("a", error=None)) == ["error"]


def test_the_largest_possible_number_of_items_is_matched() -> None:
    wanted = [expect(trigger="t"), expect(outcome="fired"), expect(distinguished_by={"host": "a"})]
    actual = [stream("a"), stream("b", "expired"), stream("c")]
    found = match_expected(wanted, actual)
    assert not found.missing
    assert not found.unexpected
    assert all(not differing_fields(item, partner) for item, partner in found.pairs)


def test_a_differing_item_is_paired_with_the_most_similar_one() -> None:
    wanted = [expect(distinguished_by={"host": "b"}, outcome="fired")]
    found = match_expected(wanted, [stream("a"), stream("b", "expired")])
    ((_, partner),) = found.pairs
    assert partner["distinguished_by"] == {"host": "b"}
    assert [each["distinguished_by"] for each in found.unexpected] == [{"host": "a"}]


def test_an_item_without_a_similar_one_is_missing() -> None:
    found = match_expected([expect(trigger="other", outcome="fired")], [stream("a")])
    assert (len(found.missing), len(found.unexpected), found.pairs) == (1, 1, [])
    assert len(match_expected([expect(outcome="fired")], []).missing) == 1


def test_equal_items_are_counted() -> None:
    twice = [expect(outcome="fired"), expect(outcome="fired")]
    assert len(match_expected(twice, [stream("a")]).missing) == 1
    assert len(match_expected(twice[:1], [stream("a"), stream("b")]).unexpected) == 1
