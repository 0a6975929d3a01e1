"""Trying the rules of the conformance suites on an installed plugin, as far as that is harmless."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voluptuous import ALLOW_EXTRA

from winchester_core.pipelines import describe_error
from winchester_core.plugins import CONDITIONS, EVENT_SOURCES, HANDLERS, TRAIT_PLUGINS
from winchester_core.testing.builders import make_env
from winchester_core.testing.conformance import (
    ConditionConformance,
    ConformanceError,
    HandlerRules,
    TraitPluginConformance,
)
from winchester_core.testing.conformance.plugin_rules import ParameterRules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

TEST_PREFIX = "test_"
SCHEMA_TESTS = (
    "test_schema_rejects_unknown_parameters",
    "test_schema_raises_only_invalid",
)
TESTS_WITHOUT_EVENTS = (
    *SCHEMA_TESTS,
    "test_schema_accepts_params",
    "test_has_the_handler_methods",
    "test_each_run_gets_a_new_instance",
    "test_accepts_an_empty_list",
    "test_rollback_works_before_handle_events",
)
TESTS_WITHOUT_VALUES = (
    *SCHEMA_TESTS,
    "test_schema_accepts_params",
    "test_accepts_no_values",
)


@dataclass
class SuiteResult:
    """How many rules were tried, what came of it, and what was left out for what reason."""

    tried: int = 0
    faults: list[str] = field(default_factory=list)
    not_checked: str | None = None


def run_suites(group: str, plugin: Any, given: list[Any]) -> SuiteResult:
    """Try the rules with what the example gives. A handler's `commit` is never called."""
    return _RUNNERS[group](plugin, given)


def _of_condition(plugin: Any, given: list[Any]) -> SuiteResult:
    suite = _suite(ConditionConformance, plugin, expressions=given)
    return _run([suite], _tests(suite))


def _of_handler(plugin: Any, given: list[Any]) -> SuiteResult:
    suites = [_suite(HandlerRules, plugin, params=_returning(params)) for params in given]
    refusal = _instantiation_error(suites[0]())
    if refusal is None:
        return _run(suites, _tests(suites[0]))
    trial = _run(suites, TESTS_WITHOUT_EVENTS)
    trial.not_checked = f"runs, as it does not take just any events: {refusal}"
    return trial


def _of_source(plugin: Any, given: list[Any]) -> SuiteResult:
    """Only the schema: to make a source may be to look for its origin already."""
    suites = [_suite(ParameterRules, plugin, params=_returning(params)) for params in given]
    trial = _run(suites, SCHEMA_TESTS)
    trial.not_checked = "deliveries, which need its origin"
    return trial


def _of_trait_plugin(plugin: Any, given: list[Any]) -> SuiteResult:
    takes_any = getattr(plugin.config_schema, "extra", None) == ALLOW_EXTRA
    suites = [
        _suite(
            TraitPluginConformance,
            plugin,
            params=_returning(params),
            allows_any_parameter=takes_any,
        )
        for params in given
    ]
    trial = _run(suites, TESTS_WITHOUT_VALUES)
    trial.not_checked = "values, which only its author knows"
    return trial


_RUNNERS: Mapping[str, Callable[[Any, list[Any]], SuiteResult]] = {
    CONDITIONS: _of_condition,
    HANDLERS: _of_handler,
    EVENT_SOURCES: _of_source,
    TRAIT_PLUGINS: _of_trait_plugin,
}


def _suite(base: type[Any], plugin: Any, **attributes: Any) -> type[Any]:
    return type(base.__name__, (base,), {"plugin": plugin, **attributes})


def _returning(params: Any) -> Callable[[Any], Any]:
    return lambda _suite: params


def _tests(suite: type[Any]) -> list[str]:
    return [name for name in dir(suite) if name.startswith(TEST_PREFIX)]


def _instantiation_error(suite: Any) -> str | None:
    """Why the handler raises for events that it is not made for; None when it does not."""
    try:
        handler = suite.make_handler()
    except ConformanceError:
        return None  # the rules tell that better
    try:
        handler.handle_events(suite.stream(), make_env())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code
        return describe_error(error)
    finally:
        _run_quietly(handler.rollback)
    return None


def _run_quietly(rollback: Callable[[], None]) -> None:
    """Its own failure is found by a rule of its own."""
    try:
        rollback()
    except (Exception, SystemExit):  # noqa: BLE001 - a plugin's code
        return


def _run(suites: list[type[Any]], tests: Collection[str]) -> SuiteResult:
    trial = SuiteResult()
    for suite in suites:
        for name in tests:
            trial.tried += 1
            try:
                getattr(suite(), name)()
            except ConformanceError as fault:
                if str(fault) not in trial.faults:
                    trial.faults.append(str(fault))
    return trial
