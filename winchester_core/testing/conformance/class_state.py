"""What a class keeps for all its instances, to find out whether a run has changed it."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import Any

from winchester_core.testing.conformance.differences import difference


class ClassState:
    """The attributes of a class and its bases as they are now, those of the interfaces left out."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._attributes = _attributes(cls)

    def change(self) -> str | None:
        """Say which attribute is not as it was; None where all are."""
        for name, value in _attributes(self._cls).items():
            if name not in self._attributes:
                return f"class attribute {name} is new"
            if difference(self._attributes[name], value, name) is not None:
                return f"class attribute {name} has changed"
        return None


def _attributes(cls: type) -> dict[str, Any]:
    return {
        f"{each.__name__}.{name}": _copy(value)
        for each in cls.__mro__
        if each is not object and not each.__module__.startswith("winchester_core.interfaces")
        for name, value in vars(each).items()
        if _is_data(name, value)
    }


def _is_data(name: str, value: Any) -> bool:
    if name.startswith("__") or name == "_abc_impl":
        return False
    return not (callable(value) or inspect.isdatadescriptor(value) or isinstance(value, property))


def _copy(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # noqa: BLE001 - what cannot be copied is compared with itself
        return value
