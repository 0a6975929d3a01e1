"""Compiled values of a rule: from paths, a template, a constant, or a trait plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from winchester_core.distill.drop_reasons import describe_failure, describe_value, looks_secret
from winchester_core.distill.trait import parse_plugin_entry
from winchester_core.mapping.paths import compile_scoped_path
from winchester_core.mapping.templates import Template
from winchester_core.mapping.value_types import CONVERSION_FAILURES, CONVERTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.mapping.paths import Scope, ScopedPath, ScopeFinder

Result = TypeVar("Result")

ValueSetting: TypeAlias = str | Mapping[str, Any]
"""A path, or a mapping of `VALUE_FIELDS`."""


class NoValue(Exception):  # noqa: N818 - never leaves this package
    """A value cannot be made; the message is the reason, safe to log."""


class Value:
    """Compiled value of a valid setting.

    `default_type` is the type of values from paths and templates if the setting has no `type`; None
    keeps the type of the JSON. If `is_key`, an object or a list is no value.
    """

    def __init__(
        self,
        name: str,
        setting: ValueSetting,
        plugins: Mapping[str, type],
        default_type: str | None = None,
        *,
        is_key: bool = False,
    ) -> None:
        options: Mapping[str, Any] = {"fields": setting} if isinstance(setting, str) else setting
        self.paths: tuple[ScopedPath, ...]
        self.is_now = bool(options.get("now"))
        """True if the time of arrival is the last resort."""
        self.is_derived = bool(options.get("derived"))
        """True if an id derived from the content is the last resort."""
        self._default = options.get("default")
        self._is_lower = bool(options.get("lower"))
        self._type = options.get("type", default_type)
        self._convert = CONVERTERS[self._type] if self._type else None
        self._is_typed = self._type not in (None, "text", "utf8_text")
        self._is_key = is_key
        self._find = self._finder(options, plugins)
        self._is_secret = looks_secret([name, *(each.text for each in self.paths)])

    def read(self, scope: Scope) -> Any:
        """Return the value, None if there is none. Raises `NoValue`, and nothing else."""
        value = self._find(scope)
        if value is None:
            return self._default
        if self._is_key and isinstance(value, list | dict):
            raise NoValue(f"{describe_value(value)} is not a text")
        if value == "" and self._is_typed:  # a missing number or time, as some senders write
            return self._default
        if self._convert is None:
            return self._cased(value)
        try:
            return self._cased(self._convert(value))
        except Exception:  # noqa: BLE001 - a plugin's value may raise anything
            described = describe_value(value, secret=self._is_secret)
            raise NoValue(f"{described} is {CONVERSION_FAILURES[self._type]}") from None

    def _cased(self, value: Any) -> Any:
        return value.lower() if self._is_lower and isinstance(value, str) else value

    def describe_missing(self, scope: Scope) -> str:
        """Return where a value was looked up and not found, for the reason why there is none."""
        paths = [path.text for path in self.paths if not _has_value(path, scope)]
        return f"there is no value at {' and '.join(paths)}" if paths else "there is no value"

    def _finder(self, options: Mapping[str, Any], plugins: Mapping[str, type]) -> ScopeFinder:
        if "constant" in options:
            constant = options["constant"]
            self.paths = ()
            return lambda scope: constant
        if "template" in options:
            template = Template(options["template"])
            self.paths = template.paths
            return _guarded(template.render, f"the template {template.text!r}")
        fields = options.get("fields", ())
        texts = [fields] if isinstance(fields, str) else fields
        self.paths = tuple(compile_scoped_path(text) for text in texts)
        if "plugin" in options:
            return self._plugin_finder(options["plugin"], plugins)
        return _first_of(self.paths)

    def _plugin_finder(self, setting: Any, plugins: Mapping[str, type]) -> ScopeFinder:
        entry = parse_plugin_entry(setting)
        plugin = entry.make_plugin(plugins)
        finders = [_guarded(each.matches, _path_label(each)) for each in self.paths]

        def find(scope: Scope) -> Any:
            found = [match for matches in finders for match in matches(scope)]
            try:
                return plugin.trait_value(found)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code
                failure = describe_failure(error, found, secret=self._is_secret)
                raise NoValue(f"plugin {entry.name!r} {failure}") from None

        return find


def _has_value(path: ScopedPath, scope: Scope) -> bool:
    try:
        return path.first(scope) is not None
    except Exception:  # noqa: BLE001 - see ScopedPath
        return False


def _first_of(paths: Sequence[ScopedPath]) -> ScopeFinder:
    finders = tuple(
        path.first if path.is_plain else _guarded(path.first, _path_label(path)) for path in paths
    )
    if len(finders) == 1:
        return finders[0]

    def find(scope: Scope) -> Any:
        for first in finders:
            value = first(scope)
            if value is not None:
                return value
        return None

    return find


def _guarded(find: Callable[[Scope], Result], label: str) -> Callable[[Scope], Result]:
    """Return `find` that raises `NoValue` for what a path or a template raises."""

    def guarded(scope: Scope) -> Result:
        try:
            return find(scope)
        except Exception as error:  # noqa: BLE001 - see ScopedPath
            raise NoValue(f"{label} does not fit the message ({type(error).__name__})") from None

    return guarded


def _path_label(path: ScopedPath) -> str:
    return f"path {path.text!r}"
