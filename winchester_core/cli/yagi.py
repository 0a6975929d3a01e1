"""The configuration of ``winchester ingest``, that of a `yagi.conf` included."""

from __future__ import annotations

import os
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from winchester_core.cli.failure import UsageError
from winchester_core.cli.options import CONFIG_VARIABLE, load_configuration

if TYPE_CHECKING:
    from argparse import Namespace

    from winchester_core.config import Part, Settings
    from winchester_core.config.settings import SourceEntry

NO_PIPELINES: Final[tuple[Part, ...]] = ("pipelines",)
YAGI: Final = "yagi"
"""The plugin, and the name under which its bad messages are kept."""


def source_settings(args: Namespace) -> Settings:
    """The settings with all sources to be run, that of ``--yagi-conf`` among them."""
    if args.yagi_conf is None:
        return load_configuration(args, ignores=NO_PIPELINES)
    entry = _entry(args.yagi_conf, args)
    settings = load_configuration(args, ignores=NO_PIPELINES)
    entry = replace(entry, batch_size=settings.ingest_batch_size)
    sources = {**settings.event_sources, entry.name: entry}
    return replace(settings, event_sources=MappingProxyType(sources))


def _entry(path: str, args: Namespace) -> SourceEntry:
    """The source of a `yagi.conf`; the configuration that it names goes into `args`.

    Raises `PluginError` when the extra is not installed, `SourceError` for the file.
    """
    from winchester_core.config.settings import SourceEntry
    from winchester_core.plugins import EVENT_SOURCES
    from winchester_core.plugins import import_plugin as load_plugin

    source_class = load_plugin(EVENT_SOURCES, YAGI)
    config_file = source_class.config_file(path)
    if args.config in (None, os.environ.get(CONFIG_VARIABLE)):
        if config_file is None:
            raise UsageError(f"{path} has no [winchester] config_file: name it with -c FILE")
        args.config = config_file
    return SourceEntry(YAGI, YAGI, source_class, {"path": path}, 1)
