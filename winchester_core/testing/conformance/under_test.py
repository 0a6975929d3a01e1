"""The plugin that a suite is about, and its schema."""

from __future__ import annotations

from typing import Any

from voluptuous import Invalid, Schema

from winchester_core.testing.conformance.nonconformance import (
    ConformanceError,
    calling,
    name_of,
    shown,
)

AWKWARD: tuple[Any, ...] = (
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
        return name_of(self._class)

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
        with calling(f"config_schema of {self._name}, given {shown(value)},", rule):
            try:
                self._schema()(value)
            except Invalid:
                return False
        return True
