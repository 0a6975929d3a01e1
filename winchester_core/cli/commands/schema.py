"""``winchester schema``: what editors need to know of the YAML files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import existing_config_path
from winchester_core.config.plugin_entries import PluginAliases, load_plugin_aliases
from winchester_core.schemas import DOCUMENTS, schema_of
from winchester_core.service.exit import DONE

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


class SchemaCommand(ConfiguredCommand):
    """Print the JSON Schema of a YAML file, for editors.

    It is made of the schemas by which Winchester checks the file, and those of all plugins that
    are installed: make it anew when that changes. With a configuration, the local names that it
    gives to plugins are known, too; nothing else of it is read. An editor finds with it many of
    the mistakes that 'winchester check' finds, while you type.
    """

    examples = (
        "winchester schema triggers > triggers.schema.json",
        "winchester schema -c winchester.yaml pipelines > pipelines.schema.json",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "document",
            choices=list(DOCUMENTS),
            metavar="DOCUMENT",
            help="which file's: %(choices)s",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Print it. Raises `ConfigurationError`."""
        aliases = PluginAliases()
        if parsed_args.config is not None:
            aliases = load_plugin_aliases(existing_config_path(parsed_args.config), os.environ)
        schema = schema_of(parsed_args.document, aliases)
        print(json.dumps(schema, indent=2, ensure_ascii=False), file=self.app.stdout)
        return DONE
