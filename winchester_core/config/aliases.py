"""Local names of plugins: `pipeline_handlers` and `distiller_trait_plugins`.

A value is the name of an entry point. The code paths of the older system's own plugins are
understood; the path of any other class is refused, with the entry point to declare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.config.report import Report
from winchester_core.config.schema import alias_map
from winchester_core.config.validation import INVALID, validate
from winchester_core.config.yaml_file import read_yaml
from winchester_core.plugins import HANDLERS, TRAIT_PLUGINS, group_noun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.config.document import Document

HANDLER_PATHS = {
    "winchester.pipeline_handler:LoggingHandler": "logger",
    "winchester.pipeline_handler:UsageHandler": "usage",
    "winchester.pipeline_handler:NotabeneHandler": "notabene",
    "winchester.pipeline_handler:AtomPubHandler": "atompub",
}
TRAIT_PLUGIN_PATHS = {
    "stackdistiller.trait_plugins:SplitterTraitPlugin": "split",
    "stackdistiller.trait_plugins:BitfieldTraitPlugin": "bitfield",
}
HANDLERS_KEY, TRAIT_PLUGINS_KEY = "pipeline_handlers", "distiller_trait_plugins"
KNOWN_PATHS = {HANDLERS: HANDLER_PATHS, TRAIT_PLUGINS: TRAIT_PLUGIN_PATHS}


@dataclass(frozen=True, slots=True)
class Aliases:
    """The local names of a configuration, each with the name of an entry point."""

    handlers: Mapping[str, str] = field(default_factory=dict)
    trait_plugins: Mapping[str, str] = field(default_factory=dict)


def load_aliases(path: str | Path, environ: Mapping[str, str]) -> Aliases:
    """Read the local names in the configuration at `path`, and nothing else of it.

    Raises `ConfigurationError` when the file is no YAML, or those two settings are wrong.
    """
    reading, report = Report(), Report()
    document = read_yaml(Path(path), reading, environ)
    if document is None:
        reading.close()
        return Aliases()
    handlers = _read_aliases(document, HANDLERS_KEY, HANDLERS, report)
    trait_plugins = _read_aliases(document, TRAIT_PLUGINS_KEY, TRAIT_PLUGINS, report)
    report.close()
    return Aliases(handlers, trait_plugins)


def _read_aliases(document: Document, key: str, group: str, report: Report) -> dict[str, str]:
    if document.root.child(key) is None:
        return {}
    names = validate(document.section(key), alias_map, report)
    return {} if names is INVALID else resolve_aliases(document, key, group, names, report)


def resolve_aliases(
    document: Document, key: str, group: str, aliases: Mapping[str, str], report: Report
) -> dict[str, str]:
    """Return local name to entry-point name for the setting `key`, which holds `aliases`.

    Whether such an entry point is installed matters only where the name is used.
    """
    resolved = {}
    for alias, target in aliases.items():
        known = KNOWN_PATHS[group].get(target)
        if known is not None:
            resolved[alias] = known
            report.warn(
                document,
                (key, alias),
                f"{target!r} is a path of the older system; "
                f"the {group_noun(group)} {known!r} is used: write {known!r}",
            )
        elif ":" in target:
            report.add(document, (key, alias), _refusal(alias, target, group))
            resolved[alias] = alias
        else:
            resolved[alias] = target
    return resolved


def _refusal(alias: str, target: str, group: str) -> str:
    return (
        f"{target!r} is the path of a class; a {group_noun(group)} is found by its entry point. "
        f"In the setup.cfg of its package, under [options.entry_points], declare "
        f"'{group} = {alias} = {target}' (name and path on a line of their own, indented), "
        f"install the package, and write {alias!r} here"
    )
