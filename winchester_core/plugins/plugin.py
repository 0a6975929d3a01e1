"""The entry-point groups that plugins register in, and what a plugin of each is called."""

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
"""Group to the word that messages use; its keys are all groups there are."""


def group_noun(group: str) -> str:
    """What a plugin of `group` is called in a sentence."""
    return GROUP_NOUNS.get(group, f"plugin of {group}")


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point and the distribution that brings it.

    `value` is what it names, as "module:attribute". `duplicates` are the other registrations of
    the same name in the same group: while there is one, the plugin cannot be loaded.
    """

    group: str
    name: str
    distribution: str
    version: str
    value: str
    duplicates: tuple[Plugin, ...] = ()

    @property
    def origin(self) -> str:
        """Distribution, version and what the entry point names, for a sentence."""
        return f"{self.distribution} {self.version} ({self.value})"

    def load(self) -> Any:
        """Import the plugin and return what its entry point names.

        Raises `PluginError`, naming distribution, entry point and cause, when that fails or when
        more than one distribution registers the name.
        """
        if self.duplicates:
            raise PluginError(self.group, self.name, self._conflict())
        try:
            return _Driver(self).driver
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(self.group, self.name, self._failure(error)) from error

    def _conflict(self) -> str:
        claims = " and ".join(plugin.origin for plugin in (self, *self.duplicates))
        return (
            f"the {group_noun(self.group)} {self.name!r} is registered more than once, "
            f"by {claims}; uninstall all but one"
        )

    def _failure(self, error: BaseException) -> str:
        cause = " ".join(str(error).split())
        return (
            f"the {group_noun(self.group)} {self.name!r} of {self.distribution} {self.version} "
            f"cannot be loaded: entry point '{self.name} = {self.value}' in {self.group}: "
            f"{type(error).__name__}" + (f": {cause}" if cause else "")
        )


class _Driver(DriverManager):  # type: ignore[misc, type-arg, unused-ignore]
    """Stevedore's loader of one driver, pointed at the entry point that was listed.

    Stevedore would list the entry points anew, from a cache on disk that notices a changed
    distribution late and has forgotten which distribution an entry point came from.
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
        """The loaded object itself, not an instance of it."""
        return self.extensions[0].plugin

    def list_entry_points(self) -> list[EntryPoint]:
        return [EntryPoint(self._plugin.name, self._plugin.value, self._plugin.group)]


def _raise(
    _manager: ExtensionManager[Any], _entry_point: EntryPoint, error: BaseException
) -> NoReturn:
    raise error


@dataclass(frozen=True, slots=True)
class PluginDescription:
    """The words of a plugin's author; empty where there are none.

    `summary` is the first line of the docstring, `text` the whole of it, and `example` YAML as it
    stands in the file where the plugin is named (of a command: command lines).
    """

    summary: str
    text: str
    example: str


def describe_plugin(plugin: Any) -> PluginDescription:
    """Read the description of a loaded plugin: its own, not that of what it inherits from."""
    text = inspect.cleandoc(_own_text(plugin, "__doc__"))
    return PluginDescription(summary_of(text), text, _example(plugin))


def summary_of(docstring: str) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())


def _example(plugin: Any) -> str:
    lines = getattr(plugin, "examples", None)  # of a command
    if isinstance(lines, tuple):
        return "\n".join(map(str, lines))
    return inspect.cleandoc(_own_text(plugin, "example"))


def _own_text(plugin: Any, name: str) -> str:
    value = getattr(plugin, "__dict__", {}).get(name)
    return value if isinstance(value, str) else ""
