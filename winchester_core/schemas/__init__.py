"""JSON Schema of the YAML files, made of the schemas that check them and of those of plugins."""

from winchester_core.schemas.conversion import json_schema_of
from winchester_core.schemas.documents import DOCUMENTS, schema_of
from winchester_core.schemas.parameters import Parameter, parameters
from winchester_core.schemas.plugins import taken_by_plugin
from winchester_core.schemas.words import in_words

__all__ = [
    "DOCUMENTS",
    "Parameter",
    "in_words",
    "json_schema_of",
    "parameters",
    "schema_of",
    "taken_by_plugin",
]
