"""Plugins: entry-point groups, loading, and descriptions."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, NoReturn

from stevedore.driver import DriverManager

from winchester_core.errors import PluginError

if TYPE_CHECKING:
    from stevedore.extension import ExtensionManager

HANDLERS = "winchester.handlers"
CONDITIONS = "winchester.conditions"
EVENT_SOURCES = "winchester.event_sources"
TRAIT_PLUGINS = "winchester.trait_plugins"
COMMANDS = "winchester.commands"

GROUP_NOUNS = {
    HANDLERS: "handler",
    CONDITIONS: "condition",
    EVENT_SOURCES: "event source",
    TRAIT_PLUGINS: "trait plugin",
    COMMANDS: "command",
}
"""Noun for the plugins of each group, used in messages. The keys are all groups."""


def group_noun(group: str) -> str:
    """Return the noun that messages use for a plugin of `group`."""
    return GROUP_NOUNS.get(group, f"plugin of {group}")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A registered entry point and its distribution. `load` imports it.

    `value` is its target, "module:attribute". `duplicates` are other registrations of the same name
    in the same group; if there are any, the plugin cannot be loaded.
    """

    group: str
    name: str
    distribution: str
    version: str
    value: str
    duplicates: tuple[Plugin, ...] = ()

    @property
    def origin(self) -> str:
        """Distribution, version and target of the entry point, for messages."""
        return f"{self.distribution} {self.version} ({self.value})"

    def load(self) -> Any:
        """Import and return the plugin.

        If the import fails or several distributions register the name, raises `PluginError` with
        distribution, entry point and cause.
        """
        if self.duplicates:
            raise PluginError(self.group, self.name, self._conflict_message())
        try:
            return _Driver(self).driver
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(self.group, self.name, self._failure_message(error)) from error

    def _conflict_message(self) -> str:
        registrations = " and ".join(plugin.origin for plugin in (self, *self.duplicates))
        return (
            f"the {group_noun(self.group)} {self.name!r} is registered more than once, "
            f"by {registrations}; uninstall all but one"
        )

    def _failure_message(self, error: BaseException) -> str:
        cause = " ".join(str(error).split())
        return (
            f"the {group_noun(self.group)} {self.name!r} of {self.distribution} {self.version} "
            f"cannot be loaded: entry point '{self.name} = {self.value}' in {self.group}: "
            f"{type(error).__name__}" + (f": {cause}" if cause else "")
        )


class _Driver(DriverManager):  # type: ignore[misc, type-arg, unused-ignore]
    """Stevedore's loader of one driver, restricted to the given entry point.

    Stevedore would list the entry points itself, from a disk cache that can be outdated and does
    not record an entry point's distribution.
    """

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        super().__init__(
            plugin.group,
            plugin.name,
            invoke_on_load=False,
            on_load_failure_callback=_raise,
            on_missing_entrypoints_callback=None,
        )

    @property
    def driver(self) -> Any:
        """The loaded object, not an instance of it."""
        return self.extensions[0].plugin

    def list_entry_points(self) -> list[EntryPoint]:
        return [EntryPoint(self._plugin.name, self._plugin.value, self._plugin.group)]


def _raise(
    _manager: ExtensionManager[Any], _entry_point: EntryPoint, error: BaseException
) -> NoReturn:
    raise error


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """Documentation of a plugin by its author. Missing parts are empty strings.

    `summary` is the first paragraph of the docstring, `text` all of it, and `example` is YAML for
    the file that names the plugin (for a command: command lines).
    """

    summary: str
    text: str
    example: str


def describe_plugin(plugin: Any) -> PluginDescription:
    """Return the description of a loaded plugin, ignoring inherited texts."""
    text = inspect.cleandoc(_own_text(plugin, "__doc__"))
    return PluginDescription(summary_of(text), text, _example(plugin))


def summary_of(docstring: str) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())


def _example(plugin: Any) -> str:
    lines = getattr(plugin, "examples", None)  # a command
    if isinstance(lines, tuple):
        return "\n".join(map(str, lines))
    return inspect.cleandoc(_own_text(plugin, "example"))


def _own_text(plugin: Any, name: str) -> str:
    value = getattr(plugin, "__dict__", {}).get(name)
    return value if isinstance(value, str) else ""
