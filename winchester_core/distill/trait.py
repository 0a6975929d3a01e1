"""Extraction of traits from notifications: paths, plugins, conversion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from winchester_core.distill.drop_reasons import describe_failure, describe_value, looks_secret
from winchester_core.distill.field_path import FieldPath, compile_path
from winchester_core.distill.notification import read_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from winchester_core.distill.field_path import Finder
    from winchester_core.interfaces.trait_plugin import TraitPlugin


class InvalidTrait(Exception):  # noqa: N818 - never leaves this package
    """A trait cannot be extracted; the message is the reason, safe to log."""


class TraitExtractor:
    """Extracts and converts a trait as configured in a valid event definition.

    If there is no plugin, the value is the first one that is not null, in the order of the paths.
    """

    __slots__ = ("_convert", "_find", "_is_secret", "_is_text", "_type", "name")

    def __init__(
        self, name: str, setting: Mapping[str, Any], trait_plugins: Mapping[str, type]
    ) -> None:
        fields = setting["fields"]
        paths = [compile_path(text) for text in ([fields] if isinstance(fields, str) else fields)]
        self.name = name
        self._type = setting.get("type", DEFAULT_TYPE)
        self._is_text = self._type == "text"
        self._convert = CONVERTERS[self._type]
        self._is_secret = looks_secret([name, *(path.text for path in paths)])
        if "plugin" in setting:
            self._find = self._plugin_finder(paths, setting["plugin"], trait_plugins)
        else:
            self._find = self._value_finder(paths)

    def extract(self, body: Mapping[str, Any]) -> Any:
        """Return the trait's value, None for no trait. Raises `InvalidTrait` and nothing else."""
        value = self._find(body)
        if value is None:
            return None
        try:
            # Nova writes '' for missing times and numbers
            if not self._is_text and value == "":
                return None
            return self._convert(value)
        except Exception:  # noqa: BLE001 - a plugin's value may raise anything
            described = describe_value(value, secret=self._is_secret)
            raise InvalidTrait(f"{described} is {CONVERSION_FAILURES[self._type]}") from None

    def _value_finder(self, paths: Sequence[FieldPath]) -> Finder:
        if all(path.is_plain for path in paths):
            return _plain_value_finder(paths)

        def find(body: Mapping[str, Any]) -> Any:
            for path in paths:
                try:
                    value = path.first(body)
                except Exception as error:  # noqa: BLE001 - see FieldPath
                    raise InvalidTrait(_path_error(path, error)) from None
                if value is not None:
                    return value
            return None

        return find

    def _plugin_finder(
        self, paths: Sequence[FieldPath], setting: Any, trait_plugins: Mapping[str, type]
    ) -> Finder:
        entry = parse_plugin_entry(setting)
        plugin = entry.make_plugin(trait_plugins)
        is_secret = self._is_secret

        def find(body: Mapping[str, Any]) -> Any:
            found = _all_matches(paths, body)
            try:
                return plugin.trait_value(found)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code
                failure = describe_failure(error, found, secret=is_secret)
                raise InvalidTrait(f"plugin {entry.name!r} {failure}") from None

        return find


def _plain_value_finder(paths: Sequence[FieldPath]) -> Finder:
    if len(paths) == 1:
        return paths[0].first
    finders = tuple(path.first for path in paths)

    def find(body: Mapping[str, Any]) -> Any:
        for first in finders:
            value = first(body)
            if value is not None:
                return value
        return None

    return find


def _all_matches(paths: Sequence[FieldPath], body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for path in paths:
        try:
            found += path.matches(body)
        except Exception as error:  # noqa: BLE001 - see FieldPath
            raise InvalidTrait(_path_error(path, error)) from None
    return found


def _path_error(path: FieldPath, error: Exception) -> str:
    return f"path {path.text!r} does not fit the notification ({type(error).__name__})"


DEFAULT_TYPE = "text"


def to_text(value: Any) -> str:
    """Return `value` as text as StackDistiller does: objects and lists as in Python."""
    return value if type(value) is str else str(value)


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": to_text,
    "int": int,
    "float": float,
    "datetime": read_datetime,
}
"""Converters by type name. They raise for values that they cannot convert. `int` truncates."""

CONVERSION_FAILURES = {
    "text": "not a text",
    "int": "not an int",
    "float": "not a float",
    "datetime": "not an RFC 3339 date and time",
}
"""Error texts by type name; they follow the description of the value and "is"."""


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """Name and parameters of a trait's plugin."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def make_plugin(self, trait_plugins: Mapping[str, type]) -> TraitPlugin:
        """Create the plugin of one trait. Its schema validates the parameters and adds defaults."""
        plugin_class = trait_plugins[self.name]
        # plugins written for StackDistiller have no schema
        schema = getattr(plugin_class, "config_schema", None)
        parameters = dict(self.parameters) if schema is None else schema(dict(self.parameters))
        plugin: TraitPlugin = plugin_class(**parameters)
        return plugin


def parse_plugin_entry(setting: str | Mapping[str, Any]) -> PluginEntry:
    """Parse the `plugin` key of a valid definition."""
    if isinstance(setting, str):
        return PluginEntry(setting)
    return PluginEntry(setting["name"], setting.get("parameters") or {})
