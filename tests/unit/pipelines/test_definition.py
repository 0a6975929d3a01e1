"""Properties of a pipeline definition."""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.interfaces import Delivered, PipelineHandler
from winchester_core.model.effect import Endpoint
from winchester_core.pipelines import HandlerSpec, PipelineDefinition

if TYPE_CHECKING:
    from collections.abc import Callable


class InheritingCommit(PipelineHandler):
    """Inherits the empty commit."""


class OwnCommit(PipelineHandler):
    """Has its own commit."""

    def commit(self) -> None:
        self.params["done"] = True


class WithoutBaseClass:
    """Has the three methods without the base class."""

    def __init__(self, **params: object) -> None:
        self.params = dict(params)

    def handle_events(self, events: list[object], env: object) -> list[object]:
        return events

    def commit(self) -> None:
        self.params.clear()

    def rollback(self) -> None: ...


def pipeline(*classes: type) -> PipelineDefinition:
    return PipelineDefinition("p", tuple(HandlerSpec(c.__name__, c) for c in classes))


def test_a_pipeline_whose_handlers_inherit_commit_has_no_commit() -> None:
    assert not pipeline(InheritingCommit, PipelineHandler).commits
    assert not pipeline().commits


def test_one_handler_with_its_own_commit_is_enough() -> None:
    assert pipeline(InheritingCommit, OwnCommit).commits == 1


def test_a_commit_inherited_from_another_handler_counts() -> None:
    class Heir(OwnCommit):
        pass

    assert pipeline(Heir).commits


def of_pass() -> None:
    pass


def of_words() -> None:
    """Do nothing."""


def of_dots() -> None: ...


def of_return() -> None:
    return


async def of_nobody() -> None:
    pass


def of_a_value() -> int:
    return 1


def of_a_call() -> None:
    print()


def of_an_error() -> None:
    raise NotImplementedError


@pytest.mark.parametrize("commit", [of_pass, of_words, of_dots, of_return, lambda _: None])
def test_an_empty_commit_does_not_count(commit: Callable[[], None]) -> None:
    assert not pipeline(type("Quiet", (), {"commit": commit})).commits


@pytest.mark.parametrize(
    "commit",
    [
        of_nobody,
        of_a_value,
        of_a_call,
        of_an_error,
        partial(of_pass),
        functools.cache(of_pass),
        staticmethod(of_a_call),
        print,
        None,
    ],
)
def test_an_unknown_commit_counts(commit: object) -> None:
    assert pipeline(type("Loud", (), {"commit": commit})).commits


def test_a_handler_without_the_base_class_counts_as_having_a_commit() -> None:
    assert pipeline(WithoutBaseClass).commits


def test_a_handler_factory_counts_as_having_a_commit() -> None:
    def make() -> PipelineHandler:
        return InheritingCommit()

    assert HandlerSpec("made", make).has_commit


class Sender(PipelineHandler):
    """A handler that delivers effects."""

    def deliver(self, effects: list[Any]) -> list[Any]:
        return [Delivered() for _ in effects]


def test_each_receiver_has_a_delivery_endpoint() -> None:
    several = HandlerSpec("notify", Sender, receivers=("mail", "chat"))
    handlers = (
        HandlerSpec("quiet", PipelineHandler),
        several,
        HandlerSpec("post", Sender),
        several,
    )

    endpoints = dict(PipelineDefinition("alarm", handlers).delivery_endpoints())

    assert list(endpoints) == [
        Endpoint("alarm", "notify:mail"),
        Endpoint("alarm", "notify:chat"),
        Endpoint("alarm", "post"),
        Endpoint("alarm", "notify:mail", 1),
        Endpoint("alarm", "notify:chat", 1),
    ]
    assert endpoints[Endpoint("alarm", "notify:chat")] is several
