"""Validation of documents as in an editor, by the JSON Schemas of this installation."""

from __future__ import annotations

from typing import Any

import yaml
from jsonschema import Draft7Validator

from winchester_core.config.plugin_entries import PluginAliases
from winchester_core.schemas import DOCUMENTS, schema_of


class EditorsLoader(yaml.SafeLoader):
    """YAML with the types of JSON: an unquoted date is text, as in YAML 1.2."""

    yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Editor:
    """Validates documents as an editor does while they are written."""

    def __init__(self, aliases: PluginAliases | None = None) -> None:
        self.schemas = {name: schema_of(name, aliases or PluginAliases()) for name in DOCUMENTS}
        self._validators = {name: Draft7Validator(each) for name, each in self.schemas.items()}

    def text_errors(self, document: str, text: str) -> list[str]:
        """Return the errors of `text`, each with its path."""
        return self.content_errors(document, yaml.load(text, EditorsLoader))

    def content_errors(self, document: str, content: Any) -> list[str]:
        """Return the errors of parsed content."""
        errors = self._validators[document].iter_errors(content)
        return [f"{each.json_path}: {each.message}" for each in errors]
