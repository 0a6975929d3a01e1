"""Run of conformance rules without side effects on an installed plugin."""

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
    """Number of checked rules, the problems, and the rules that were not checked and why."""

    rules_checked: int = 0
    problems: list[str] = field(default_factory=list)
    not_checked: str | None = None


def run_suites(group: str, plugin: Any, example_values: list[Any]) -> SuiteResult:
    """Check the rules with the values of the example. A handler's `commit` is never called."""
    return _RUNNERS[group](plugin, example_values)


def _check_condition(plugin: Any, expressions: list[Any]) -> SuiteResult:
    suite = _suite(ConditionConformance, plugin, expressions=expressions)
    return _run([suite], _tests(suite))


def _check_handler(plugin: Any, param_sets: list[Any]) -> SuiteResult:
    suites = [_suite(HandlerRules, plugin, params=_returning(params)) for params in param_sets]
    error = _error_on_test_events(suites[0]())
    if error is None:
        return _run(suites, _tests(suites[0]))
    result = _run(suites, TESTS_WITHOUT_EVENTS)
    result.not_checked = f"runs, because it does not accept the test events: {error}"
    return result


def _check_source(plugin: Any, param_sets: list[Any]) -> SuiteResult:
    """Check only the schema, because the constructor of a source may connect to its origin."""
    suites = [_suite(ParameterRules, plugin, params=_returning(params)) for params in param_sets]
    result = _run(suites, SCHEMA_TESTS)
    result.not_checked = "deliveries, which need its origin"
    return result


def _check_trait_plugin(plugin: Any, param_sets: list[Any]) -> SuiteResult:
    allows_any = getattr(plugin.config_schema, "extra", None) == ALLOW_EXTRA
    suites = [
        _suite(
            TraitPluginConformance,
            plugin,
            params=_returning(params),
            allows_any_parameter=allows_any,
        )
        for params in param_sets
    ]
    result = _run(suites, TESTS_WITHOUT_VALUES)
    result.not_checked = "values, which only its author knows"
    return result


_RUNNERS: Mapping[str, Callable[[Any, list[Any]], SuiteResult]] = {
    CONDITIONS: _check_condition,
    HANDLERS: _check_handler,
    EVENT_SOURCES: _check_source,
    TRAIT_PLUGINS: _check_trait_plugin,
}


def _suite(base: type[Any], plugin: Any, **attributes: Any) -> type[Any]:
    return type(base.__name__, (base,), {"plugin": plugin, **attributes})


def _returning(params: Any) -> Callable[[Any], Any]:
    return lambda _suite: params


def _tests(suite: type[Any]) -> list[str]:
    return [name for name in dir(suite) if name.startswith(TEST_PREFIX)]


def _error_on_test_events(suite: Any) -> str | None:
    """Return the handler's error for the suite's events, or None if it accepts them."""
    try:
        handler = suite.make_handler()
    except ConformanceError:
        return None  # reported by the rules
    try:
        handler.handle_events(suite.stream(), make_env())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code
        return describe_error(error)
    finally:
        _run_quietly(handler.rollback)
    return None


def _run_quietly(rollback: Callable[[], None]) -> None:
    """Call `rollback`; a rule of the suite reports its errors."""
    try:
        rollback()
    except (Exception, SystemExit):  # noqa: BLE001 - a plugin's code
        return


def _run(suites: list[type[Any]], tests: Collection[str]) -> SuiteResult:
    result = SuiteResult()
    for suite in suites:
        for name in tests:
            result.rules_checked += 1
            try:
                getattr(suite(), name)()
            except ConformanceError as error:
                if str(error) not in result.problems:
                    result.problems.append(str(error))
    return result
