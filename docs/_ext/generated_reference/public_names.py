"""Public modules and the names that each exports."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

from generated_reference.markdown import code, table

if TYPE_CHECKING:
    from types import ModuleType

PUBLIC_MODULES = {
    "winchester_core": "programs that embed Winchester",
    "winchester_core.interfaces": "base classes of plugins; arguments and results of `deliver`",
    "winchester_core.interfaces.params": "validators for parameters of plugins",
    "winchester_core.interfaces.kafka_client": "parameters of clients of Kafka; their settings",
    "winchester_core.interfaces.nats_params": "parameters of clients of NATS",
    "winchester_core.interfaces.nats_client": "connections to NATS; needs the extra `nats`",
    "winchester_core.interfaces.templates": "templates of handlers; needs the extra `templates`",
    "winchester_core.model": "events, messages, streams, time ranges",
    "winchester_core.timex": "time expressions",
    "winchester_core.errors": "exceptions",
    "winchester_core.commands": "base classes and options of command plugins",
    "winchester_core.testing": "tests of plugins: clock, engine, builders, conformance suites",
    "winchester_core.config": "logging configuration files",
}
"""Module to its use."""

ONLY = {"winchester_core.config": ["JsonFormatter"]}
"""Public names of modules that export more."""


def names_of(module: str) -> list[str]:
    """Return the public names of a public module, in alphabetical order."""
    loaded = import_module(module)
    return ONLY.get(module) or sorted(getattr(loaded, "__all__", None) or _classes_of(loaded))


def render() -> str:
    """Render a row for each module."""
    rows = (
        (code(module), use, ", ".join(map(code, names_of(module))))
        for module, use in PUBLIC_MODULES.items()
    )
    return table(["module", "use", "names"], rows)


def _classes_of(module: ModuleType) -> list[str]:
    """Return the classes that a module without `__all__` defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
