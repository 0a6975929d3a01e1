"""Conformance rules of all plugins: schema and parameters; errors and comparisons."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Schema

from winchester_core.pipelines import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


EDGE_CASES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5,
    "",
    "\0",
    "text",
    "x" * 10_000,
    [],
    [[]],
    {},
    {"": None},
    {1: 2},
)
"""Values that a YAML file may contain instead of the expected value."""


class PluginUnderTest:
    """Base class of the suites. The attribute `plugin` is the class under test."""

    plugin: Any = None

    @property
    def _class(self) -> Any:
        if self.plugin is None:
            raise ConformanceError(f"{type(self).__name__} must define the class to test, `plugin`")
        return self.plugin

    @property
    def _name(self) -> str:
        return display_name(self._class)

    def _schema(self) -> Schema:
        schema = getattr(self._class, "config_schema", None)
        if not isinstance(schema, Schema):
            actual = "none" if schema is None else type(schema).__name__
            raise ConformanceError(
                f"config_schema of {self._name} must be a voluptuous Schema; it is {actual}"
            )
        return schema

    def _accepts(self, value: Any) -> bool:
        rule = "it may raise only voluptuous.Invalid"
        with calling(f"config_schema of {self._name}, given {short_repr(value)},", rule):
            try:
                self._schema()(value)
            except Invalid:
                return False
        return True


UNKNOWN_PARAMETER = "no_such_parameter"


class ParameterRules(PluginUnderTest):
    """Rules of `config_schema` for plugins with keyword parameters.

    `plugin` is the class under test. `params` returns valid parameters in the form of the YAML
    file.
    """

    def params(self) -> Mapping[str, Any]:
        """Return the parameters for the tests, in the form of the YAML file (default: none)."""
        return {}

    def make_plugin(self) -> Any:
        """Create an instance as Winchester does, with the parameters that the schema returns."""
        schema = self._schema()
        with calling(f"config_schema of {self._name}", "it must accept what `params` returns"):
            params = schema(deepcopy(dict(self.params())))
        with calling(f"{self._name}(**params)", "it must accept what its schema accepts"):
            return self._class(**params)

    def test_schema_accepts_params(self) -> None:
        """`config_schema` is a voluptuous schema, and the plugin accepts its output."""
        params = dict(self.params())
        before = deepcopy(params)
        with calling(f"config_schema of {self._name}", "it must accept what `params` returns"):
            self._schema()(params)
        require(params == before, f"config_schema of {self._name} changes its input")
        self.make_plugin()

    def test_schema_rejects_unknown_parameters(self) -> None:
        """A misspelt parameter is a configuration error; it is not ignored."""
        unknown = {**deepcopy(dict(self.params())), UNKNOWN_PARAMETER: 1}
        require(
            not self._accepts(unknown),
            f"config_schema of {self._name} accepts a parameter that does not exist, "
            f"{UNKNOWN_PARAMETER!r}: a misspelt one would be ignored",
        )

    def test_schema_raises_only_invalid(self) -> None:
        """`config_schema` raises only `voluptuous.Invalid`."""
        for value in EDGE_CASES:
            self._accepts(value)
            for key in self.params():
                self._accepts({**deepcopy(dict(self.params())), key: deepcopy(value)})


# Errors and comparisons of the suites.


MAX_SHOWN_CHARACTERS = 80


class ConformanceError(AssertionError):
    """Violation of a rule of the plugin's interface. The message names the rule.

    An `AssertionError`, so that every test runner counts it as a failed test.
    """


def require(holds: bool, message: str) -> None:
    """Raise `ConformanceError` with `message` unless the rule holds."""
    __tracebackhide__ = True
    if not holds:
        raise ConformanceError(message)


@contextmanager
def calling(call: str, rule: str = "") -> Iterator[None]:
    """Convert an exception of the plugin's code to a violation of `rule`; `call` raised it."""
    __tracebackhide__ = True
    try:
        yield
    except ConformanceError:
        raise
    except (Exception, SystemExit) as error:
        message = f"{call} raised {describe_error(error)}"
        raise ConformanceError(f"{message}; {rule}" if rule else message) from error


def short_repr(value: Any) -> str:
    """Return a value for a message, truncated if long."""
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def display_name(plugin: Any) -> str:
    """Return the name of a plugin for messages."""
    return getattr(plugin, "__name__", None) or type(plugin).__name__


def difference(first: Any, second: Any, place: str) -> str | None:
    """Return where `second` differs from `first` in value or type, or None if they are equal."""
    if type(first) is not type(second):
        return f"{place} is {short_repr(first)} and then {short_repr(second)}"
    if isinstance(first, dict):
        return _mapping_difference(first, second, place)
    if isinstance(first, list | tuple):
        return _sequence_difference(first, second, place)
    return (
        None if first == second else f"{place} is {short_repr(first)} and then {short_repr(second)}"
    )


def _mapping_difference(first: dict[Any, Any], second: dict[Any, Any], place: str) -> str | None:
    for key in [*first, *(key for key in second if key not in first)]:
        if key not in first or key not in second:
            which = "the first" if key in first else "a later"
            return f"{place} has {short_repr(key)} only {which} time"
        found = difference(first[key], second[key], f"{place}[{short_repr(key)}]")
        if found is not None:
            return found
    return None


def _sequence_difference(first: Any, second: Any, place: str) -> str | None:
    if len(first) != len(second):
        return f"{place} has {len(first)} items and then {len(second)}"
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        found = difference(one, other, f"{place}[{number}]")
        if found is not None:
            return found
    return None
