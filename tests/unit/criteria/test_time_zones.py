"""Criteria of a trigger with a time zone: time expressions are in local time."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from voluptuous import MultipleInvalid

from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.criteria.conditions.datetime import DatetimeCondition
from winchester_core.interfaces import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping

BERLIN = ZoneInfo("Europe/Berlin")
AFTER_MIDNIGHT_IN_BERLIN = datetime(2024, 3, 30, 23, 30, tzinfo=UTC)
LATE_IN_BERLIN = datetime(2024, 3, 31, 21, 30, tzinfo=UTC)
NEXT_DAY_IN_BERLIN = datetime(2024, 3, 31, 22, 30, tzinfo=UTC)


def event_of(timestamp: datetime, **traits: Any) -> dict[str, Any]:
    return {"event_type": "backup.end", "timestamp": timestamp, **traits}


@pytest.mark.parametrize(
    "condition",
    [
        {"datetime": "day"},
        {"all": [{"datetime": "day"}]},
        {"any": [{"int": 3}, {"datetime": "day"}]},
        {"not": {"not": {"datetime": "day"}}},
    ],
)
def test_a_datetime_condition_is_in_local_time_wherever_it_is_nested(
    conditions: Mapping[str, type[Condition]], condition: Any
) -> None:
    config = {"traits": {"started": condition}}
    local = compile_criterion(config, conditions, CriteriaList.MATCH, zone=BERLIN)
    utc = compile_criterion(config, conditions, CriteriaList.MATCH)
    event = event_of(LATE_IN_BERLIN, started=AFTER_MIDNIGHT_IN_BERLIN)
    assert (local.matches(event), utc.matches(event)) == (True, False)
    event = event_of(NEXT_DAY_IN_BERLIN, started=LATE_IN_BERLIN)
    assert (local.matches(event), utc.matches(event)) == (False, True)


def test_the_timestamp_of_a_criterion_is_in_local_time(
    conditions: Mapping[str, type[Condition]],
) -> None:
    config = {"timestamp": "day($due)"}
    local = compile_criterion(config, conditions, CriteriaList.FIRE, zone=BERLIN)
    utc = compile_criterion(config, conditions, CriteriaList.FIRE)
    event = event_of(AFTER_MIDNIGHT_IN_BERLIN, due=LATE_IN_BERLIN)
    assert (local.matches(event), utc.matches(event)) == (True, False)
    assert local.explain(event).matched


def test_the_description_names_the_zone() -> None:
    config = {"timestamp": "day"}
    local = compile_criterion(config, {}, CriteriaList.MATCH, zone=BERLIN)
    assert local.describe().endswith("in 'day' (local time in Europe/Berlin)")
    assert compile_criterion(config, {}, CriteriaList.MATCH).describe().endswith("in 'day'")


@pytest.mark.parametrize("zone", [UTC, BERLIN])
def test_a_condition_without_the_method_is_the_same_in_every_zone(zone: tzinfo) -> None:
    class Evening(Condition):
        def matches(self, event: Mapping[str, Any]) -> bool:
            value = event.get(self.trait)
            return isinstance(value, datetime) and value.hour >= 20

    criterion = compile_criterion(
        {"traits": {"started": {"evening": True}}},
        {"evening": Evening},
        CriteriaList.MATCH,
        zone=zone,
    )
    assert criterion.matches(event_of(LATE_IN_BERLIN, started=LATE_IN_BERLIN))


class LocalHour(Condition):
    """The hour of the local clock."""

    zone: tzinfo = UTC

    def in_time_zone(self, zone: tzinfo) -> LocalHour:
        """Return the condition for a zone."""
        localized = LocalHour(self.trait, self.expression)
        localized.zone = zone
        return localized

    def matches(self, event: Mapping[str, Any]) -> bool:
        value = event.get(self.trait)
        return isinstance(value, datetime) and value.astimezone(self.zone).hour == self.expression


def test_a_condition_with_the_method_is_converted_to_the_zone() -> None:
    config, event = {"traits": {"started": {"local_hour": 23}}}, event_of(LATE_IN_BERLIN)
    event["started"] = LATE_IN_BERLIN
    known = {"local_hour": LocalHour}
    assert compile_criterion(config, known, CriteriaList.MATCH, zone=BERLIN).matches(event)
    assert not compile_criterion(config, known, CriteriaList.MATCH).matches(event)


def test_an_error_of_the_method_is_reported_as_one_of_the_condition() -> None:
    class Broken(Condition):
        def in_time_zone(self, zone: tzinfo) -> Condition:
            raise LookupError(f"no {zone}")

    config = {"traits": {"x": {"broken": 1}}}
    with pytest.raises(MultipleInvalid, match="'broken' raised LookupError: no Europe/Berlin"):
        compile_criterion(config, {"broken": Broken}, CriteriaList.MATCH, zone=BERLIN)


def test_a_subclass_of_the_datetime_condition_keeps_its_attributes() -> None:
    class Tolerant(DatetimeCondition):
        def __init__(self, trait: str, expression: Any) -> None:
            super().__init__(trait, f"{expression} + 1h")
            self.tolerance = 1

    localized = Tolerant("x", "day").in_time_zone(BERLIN)
    assert (type(localized), localized.tolerance) == (Tolerant, 1)
    # the day from 01:00 to 01:00
    inside = event_of(AFTER_MIDNIGHT_IN_BERLIN, x=datetime(2024, 3, 30, 0, 30, tzinfo=UTC))
    assert localized.matches(inside)
    assert not localized.matches(event_of(LATE_IN_BERLIN, x=AFTER_MIDNIGHT_IN_BERLIN))
