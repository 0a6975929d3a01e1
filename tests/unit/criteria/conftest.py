"""The built-in conditions by entry point, and shortcuts to evaluate them."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.criteria import CriteriaList, compile_criterion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.criteria import Criterion
    from winchester_core.interfaces import Condition


@pytest.fixture(scope="session")
def conditions() -> Mapping[str, type[Condition]]:
    return {each.name: each.load() for each in entry_points(group="winchester.conditions")}


@pytest.fixture
def compiled(conditions: Mapping[str, type[Condition]]) -> Callable[..., Criterion]:
    """compiled(config, fire=True) -> Criterion"""

    def compile_config(config: Any, *, fire: bool = True) -> Criterion:
        criteria_list = CriteriaList.FIRE if fire else CriteriaList.MATCH
        return compile_criterion(config, conditions, criteria_list)

    return compile_config


@pytest.fixture
def holds(compiled: Callable[..., Criterion]) -> Callable[[Any, Any], bool]:
    """holds(wanted, value): whether criteria match a trait `x`; a value of None means no trait."""

    def demand_holds(wanted: Any, value: Any) -> bool:
        criterion = compiled({"traits": {"x": wanted}})
        event = event_of() if value is None else event_of(x=value)
        matched = criterion.matches(event)
        assert criterion.explain(event).matched is matched
        return matched

    return demand_holds


@pytest.fixture
def problems(compiled: Callable[..., Criterion]) -> Callable[..., dict[tuple[Any, ...], str]]:
    """problems(config, fire=True): every message by its path; {} for a valid configuration."""

    def problems_of(config: Any, *, fire: bool = True) -> dict[tuple[Any, ...], str]:
        try:
            compiled(config, fire=fire)
        except MultipleInvalid as raised:
            return {tuple(each.path): each.error_message for each in raised.errors}
        return {}

    return problems_of


@pytest.fixture(scope="session")
def make_event() -> Callable[..., dict[str, Any]]:
    """make_event(**traits): a valid event of type a.b at noon of 2 January 2014."""
    return event_of


def event_of(**traits: Any) -> dict[str, Any]:
    noon = datetime(2014, 1, 2, 12, tzinfo=UTC)
    return {"message_id": "1", "event_type": "a.b", "timestamp": noon, **traits}
