"""``winchester schema``: JSON Schemas of the YAML files, for editors."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import Argument, existing_config_path
from winchester_core.config.plugin_entries import PluginAliases, load_plugin_aliases
from winchester_core.schemas import DOCUMENTS, schema_of
from winchester_core.service.exit import DONE

if TYPE_CHECKING:
    from argparse import Namespace


class SchemaCommand(ConfiguredCommand):
    """Print the JSON Schema of a YAML file, for editors.

    With the schema, an editor reports many problems while you type that 'winchester check' would
    report later. The schema includes the parameters of all installed plugins: generate it again
    when they change. With -c, it also includes the local plugin names that the configuration
    defines; other settings are not read.
    """

    examples = (
        "winchester schema triggers > triggers.schema.json",
        "winchester schema -c winchester.yaml pipelines > pipelines.schema.json",
    )
    arguments = (Argument("document DOCUMENT", "the file: %(choices)s", choices=list(DOCUMENTS)),)

    def take_action(self, parsed_args: Namespace) -> int:
        """Print the schema. Raises `ConfigurationError`."""
        aliases = PluginAliases()
        if parsed_args.config is not None:
            aliases = load_plugin_aliases(existing_config_path(parsed_args.config), os.environ)
        schema = schema_of(parsed_args.document, aliases)
        print(json.dumps(schema, indent=2, ensure_ascii=False), file=self.app.stdout)
        return DONE
