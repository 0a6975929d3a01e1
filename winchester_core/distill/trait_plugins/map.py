"""The trait plugin `map`: one value for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Length, Optional, Required, Schema

from winchester_core.interfaces.trait_plugin import TraitPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MapTraitPlugin(TraitPlugin):
    """Looks up the first value found in `values`.

    It is ceilometer's plugin of that name.
    """

    example: ClassVar[str] = """
        power:
          fields: payload.state
          plugin:
            name: map
            parameters: {values: {active: up, stopped: down}, default: unknown}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Required("values", description="a value that is found to the trait's"): All(
                {object: object}, Length(min=1)
            ),
            Optional(
                "default",
                default=None,
                description="what any other value gives (default: no trait)",
            ): object,
            Optional(
                "case_sensitive",
                default=True,
                description="false: texts that differ only in case are one key",
            ): bool,
        }
    )

    def __init__(
        self, values: Mapping[Any, Any], default: Any = None, case_sensitive: bool = True
    ) -> None:
        super().__init__(values=values, default=default, case_sensitive=case_sensitive)
        self._default = default
        self._case_sensitive = case_sensitive
        self._values = {self._key(key): value for key, value in values.items()}

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        """Return what stands for the first value; nothing found gives no trait."""
        if not match_list:
            return None
        found = match_list[0][1]
        if isinstance(found, list | dict):
            return self._default
        return self._values.get(self._key(found), self._default)

    def _key(self, value: Any) -> Any:
        return value.casefold() if isinstance(value, str) and not self._case_sensitive else value
