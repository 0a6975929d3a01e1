"""Loading the plugins that a document names, and checking their `params` by their own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Schema

from winchester_core.config.validation import INVALID, validate
from winchester_core.errors import PluginError
from winchester_core.plugins import group_noun, import_plugin, installed_plugins

if TYPE_CHECKING:
    from winchester_core.config.document import Document, Path
    from winchester_core.config.report import Report


def load_plugin(
    document: Document,
    path: Path,
    group: str,
    name: str,
    methods: tuple[str, ...],
    report: Report,
) -> Any:
    """Return the class that `name`, which stands at `path`, means in `group`, or None.

    It must be something to call that has `methods`.
    """
    try:
        plugin = import_plugin(group, name)
    except PluginError as error:
        report.add(document, path, error.reason)
        return None
    fault = _fault(plugin, methods)
    if fault is None:
        return plugin
    origin = installed_plugins(group)[name].origin
    report.add(document, path, f"the {group_noun(group)} {name!r} of {origin} {fault}")
    return None


def check_params(document: Document, plugin: Any, what: str, report: Report) -> Any:
    """Return what the plugin's `config_schema` makes of `document`, or `INVALID`.

    `what` names the plugin in a message. A plugin without a schema takes the params as they are.
    """
    try:
        return validate(document, _schema(plugin), report)
    except Exception as error:  # noqa: BLE001 - the schema is the plugin's code
        cause = f"{type(error).__name__}: {error}"
        report.add(document, (), f"the schema of {what} failed: {cause}")
        return INVALID


def _schema(plugin: Any) -> Schema:
    schema = getattr(plugin, "config_schema", None)
    if isinstance(schema, Schema):
        return schema
    return Schema(dict if schema is None else schema)


def _fault(plugin: Any, methods: tuple[str, ...]) -> str | None:
    if not callable(plugin):
        return "is no class"
    missing = [method for method in methods if not callable(getattr(plugin, method, None))]
    if isinstance(plugin, type) and missing:
        return f"has no method {' and no method '.join(missing)}"
    return None
