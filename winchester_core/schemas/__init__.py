"""JSON Schemas of the YAML files, generated from the schemas of files and plugins."""

from winchester_core.schemas.conversion import json_schema_of
from winchester_core.schemas.documents import DOCUMENTS, schema_of
from winchester_core.schemas.parameters import (
    Parameter,
    describe_schema,
    list_parameters,
    plugin_schema,
)

__all__ = [
    "DOCUMENTS",
    "Parameter",
    "describe_schema",
    "json_schema_of",
    "list_parameters",
    "plugin_schema",
    "schema_of",
]
