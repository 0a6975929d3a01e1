"""The plugin that a suite is about, and its schema."""

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
"""What a YAML file may hold where something else is wanted."""


class PluginUnderTest:
    """The class under test is the attribute `plugin`."""

    plugin: Any = None

    @property
    def _class(self) -> Any:
        if self.plugin is None:
            raise ConformanceError(
                f"{type(self).__name__} must name the class it tests, as `plugin`"
            )
        return self.plugin

    @property
    def _name(self) -> str:
        return display_name(self._class)

    def _schema(self) -> Schema:
        schema = getattr(self._class, "config_schema", None)
        if not isinstance(schema, Schema):
            found = "none" if schema is None else type(schema).__name__
            raise ConformanceError(
                f"config_schema of {self._name} must be a voluptuous Schema; it is {found}"
            )
        return schema

    def _accepts(self, value: Any) -> bool:
        rule = "it must refuse by voluptuous.Invalid alone"
        with calling(f"config_schema of {self._name}, given {short_repr(value)},", rule):
            try:
                self._schema()(value)
            except Invalid:
                return False
        return True


# What holds for every plugin that takes parameters from a YAML file: the rules of its schema.


UNKNOWN_PARAMETER = "no_such_parameter"


class ParameterRules(PluginUnderTest):
    """The rules of `config_schema` for a plugin that is made of keyword parameters.

    `plugin` is the class under test, and `params` returns parameters that are right, as they
    would stand in the YAML file.
    """

    def params(self) -> Mapping[str, Any]:
        """The parameters that the plugin is tested with, as in a file (default: none)."""
        return {}

    def make_plugin(self) -> Any:
        """Make an instance as Winchester does: of parameters that the schema has completed."""
        schema = self._schema()
        with calling(f"config_schema of {self._name}", "it must take what `params` returns"):
            params = schema(deepcopy(dict(self.params())))
        with calling(f"{self._name}(**params)", "it must take what its schema lets pass"):
            return self._class(**params)

    def test_schema_accepts_params(self) -> None:
        """`config_schema` is a voluptuous schema; the plugin is made of what it returns."""
        given = dict(self.params())
        before = deepcopy(given)
        with calling(f"config_schema of {self._name}", "it must take what `params` returns"):
            self._schema()(given)
        require(given == before, f"config_schema of {self._name} changes what it is given")
        self.make_plugin()

    def test_schema_rejects_unknown_parameters(self) -> None:
        """A misspelt parameter is an error of the configuration, not ignored."""
        unknown = {**deepcopy(dict(self.params())), UNKNOWN_PARAMETER: 1}
        require(
            not self._accepts(unknown),
            f"config_schema of {self._name} accepts a parameter that does not exist, "
            f"{UNKNOWN_PARAMETER!r}: a misspelt one would be ignored",
        )

    def test_schema_raises_only_invalid(self) -> None:
        """`config_schema` refuses by `voluptuous.Invalid`, and raises nothing else."""
        for value in EDGE_CASES:
            self._accepts(value)
            for key in self.params():
                self._accepts({**deepcopy(dict(self.params())), key: deepcopy(value)})


# How a conformance suite says what is wrong with a plugin.


MAX_SHOWN_CHARACTERS = 80


class ConformanceError(AssertionError):
    """A rule of the plugin's interface that it does not keep; the message says which, and how.

    An `AssertionError`, so that every test runner counts it as a failed test.
    """


def require(holds: bool, fault: str) -> None:
    """Raise `ConformanceError` with `fault` unless the rule holds."""
    __tracebackhide__ = True
    if not holds:
        raise ConformanceError(fault)


@contextmanager
def calling(what: str, rule: str = "") -> Iterator[None]:
    """Let an exception of the plugin's code be a fault: `what` raised it, against the `rule`."""
    __tracebackhide__ = True
    try:
        yield
    except ConformanceError:
        raise
    except (Exception, SystemExit) as error:
        told = f"{what} raised {describe_error(error)}"
        raise ConformanceError(f"{told}; {rule}" if rule else told) from error


def short_repr(value: Any) -> str:
    """A value for a message, cut short where it is long."""
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def display_name(plugin: Any) -> str:
    """What a plugin is called in a message."""
    return getattr(plugin, "__name__", None) or type(plugin).__name__


# Where two results differ that ought to be equal.


def difference(first: Any, second: Any, place: str) -> str | None:
    """Say where `second` differs from `first`, in value or type; None where it does not."""
    if type(first) is not type(second):
        return f"{place} is {short_repr(first)} and then {short_repr(second)}"
    if isinstance(first, dict):
        return _of_mappings(first, second, place)
    if isinstance(first, list | tuple):
        return _of_sequences(first, second, place)
    return (
        None if first == second else f"{place} is {short_repr(first)} and then {short_repr(second)}"
    )


def _of_mappings(first: dict[Any, Any], second: dict[Any, Any], place: str) -> str | None:
    for key in [*first, *(key for key in second if key not in first)]:
        if key not in first or key not in second:
            which = "the first" if key in first else "a later"
            return f"{place} has {short_repr(key)} only {which} time"
        found = difference(first[key], second[key], f"{place}[{short_repr(key)}]")
        if found is not None:
            return found
    return None


def _of_sequences(first: Any, second: Any, place: str) -> str | None:
    if len(first) != len(second):
        return f"{place} has {len(first)} items and then {len(second)}"
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        found = difference(one, other, f"{place}[{number}]")
        if found is not None:
            return found
    return None
