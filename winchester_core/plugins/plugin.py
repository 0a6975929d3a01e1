"""A plugin as it is registered: known by name and distribution, imported only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, NoReturn

from stevedore.driver import DriverManager

from winchester_core.errors import PluginError
from winchester_core.plugins.groups import noun

if TYPE_CHECKING:
    from stevedore.extension import ExtensionManager


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point and the distribution that brings it.

    `value` is what it names, as "module:attribute". `rivals` are the other registrations of the
    same name in the same group: while there is one, the plugin cannot be loaded.
    """

    group: str
    name: str
    distribution: str
    version: str
    value: str
    rivals: tuple[Plugin, ...] = ()

    @property
    def origin(self) -> str:
        """Distribution, version and what the entry point names, for a sentence."""
        return f"{self.distribution} {self.version} ({self.value})"

    def load(self) -> Any:
        """Import the plugin and return what its entry point names.

        Raises `PluginError`, naming distribution, entry point and cause, when that fails or when
        more than one distribution registers the name.
        """
        if self.rivals:
            raise PluginError(self.group, self.name, self._conflict())
        try:
            return _Driver(self).driver
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(self.group, self.name, self._failure(error)) from error

    def _conflict(self) -> str:
        claims = " and ".join(plugin.origin for plugin in (self, *self.rivals))
        return (
            f"the {noun(self.group)} {self.name!r} is registered more than once, by {claims}; "
            "uninstall all but one"
        )

    def _failure(self, error: BaseException) -> str:
        cause = " ".join(str(error).split())
        return (
            f"the {noun(self.group)} {self.name!r} of {self.distribution} {self.version} "
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
