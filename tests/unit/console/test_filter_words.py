"""Filters of bulk actions in words: each parameter has words, and durations become times."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from support.builders.events import at
from winchester_core.console.bulk_kinds import BULK_ACTIONS
from winchester_core.console.pages.filter_words import filters_in_words, with_absolute_times
from winchester_core.console.parameters import TIME, Query

if TYPE_CHECKING:
    from winchester_core.console.parameters import QueryParameter
    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site

RESOURCES = {each.resource.name: each.resource for each in BULK_ACTIONS.values()}
PARAMETERS = [(resource, each) for resource in RESOURCES.values() for each in resource.parameters]


class ClockOnly:
    """Part of a site that is asked for the time."""

    store: ClockOnly

    def __init__(self) -> None:
        self.store = self

    def real_time(self) -> object:
        return at(0)

    def current_time(self) -> object:
        return at(3600)


@pytest.mark.parametrize(
    ("resource", "parameter"),
    PARAMETERS,
    ids=[f"{resource.name}-{each.name}" for resource, each in PARAMETERS],
)
def test_each_parameter_has_words(resource: Resource, parameter: QueryParameter) -> None:
    (words,) = filters_in_words(resource.name, Query(((parameter.name, "a"),)))
    assert words.text
    assert words.is_time is (parameter.schema is TIME)
    assert words.values in (["a"], ())


def test_alternatives_are_one_filter_and_traits_are_several() -> None:
    pairs = (("state", "error"), ("trait", "a=1"), ("state", "expire_error"), ("trait", "b=2"))
    found = filters_in_words("streams", Query(pairs))
    assert [(each.text, each.values) for each in found] == [
        ("in the state", ["error", "expire_error"]),
        ("with the trait", ["a=1"]),
        ("with the trait", ["b=2"]),
    ]


def test_durations_become_times() -> None:
    site = cast("Site", ClockOnly())
    pairs = (("older_than", "30m"), ("trigger", "1h"), ("younger_than", "2024-05-17"))
    query = with_absolute_times(site, RESOURCES["streams"].parameters, Query(pairs))
    assert query.pairs == (
        ("older_than", "2024-05-17T12:30:00+00:00"),
        ("trigger", "1h"),
        ("younger_than", "2024-05-17T00:00:00+00:00"),
    )
    query = with_absolute_times(site, RESOURCES["outbox"].parameters, Query(pairs[:1]))
    assert query.pairs == (("older_than", "2024-05-17T11:30:00+00:00"),)
