"""Ready mappings, which are part of the package."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_SUFFIX: Final = ".yaml"
_SAMPLES_SUFFIX: Final = ".samples.jsonl"


def ready_mapping_names() -> list[str]:
    """Return the names of the ready mappings, sorted."""
    return sorted(
        file.name.removesuffix(_SUFFIX)
        for file in _directory().iterdir()
        if file.name.endswith(_SUFFIX)
    )


def ready_mapping_text(name: str) -> str:
    """Return the file of a ready mapping: YAML in the format of `mapping_definitions`.

    Raises `KeyError` for an unknown name.
    """
    if name not in ready_mapping_names():
        raise KeyError(name)
    return (_directory() / f"{name}{_SUFFIX}").read_text("utf-8")


def ready_mapping_summary(name: str) -> str:
    """Return the first line of a ready mapping's file, a comment. Raises `KeyError`."""
    return ready_mapping_text(name).partition("\n")[0].removeprefix("#").strip()


def read_ready_mapping(name: str) -> Any:
    """Return the rules of a ready mapping. Raises `KeyError` for an unknown name."""
    return yaml.safe_load(ready_mapping_text(name))[name]


def ready_mapping_samples(name: str) -> list[dict[str, Any]]:
    """Return invented messages for a ready mapping: objects with `body`, and maybe `headers`.

    Raises `KeyError` for an unknown name.
    """
    if name not in ready_mapping_names():
        raise KeyError(name)
    lines = (_directory() / f"{name}{_SAMPLES_SUFFIX}").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _directory() -> Traversable:
    return resources.files("winchester_core.mapping") / "ready"
