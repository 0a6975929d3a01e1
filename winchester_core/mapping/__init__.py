"""Mappings: rules that make events of any JSON, by the names that sources give."""

from winchester_core.mapping.mapping_set import MappingSet, MessageDropped
from winchester_core.mapping.ready_mappings import (
    read_ready_mapping,
    ready_mapping_names,
    ready_mapping_samples,
    ready_mapping_summary,
    ready_mapping_text,
)
from winchester_core.mapping.schema import validate_mappings

__all__ = [
    "MappingSet",
    "MessageDropped",
    "read_ready_mapping",
    "ready_mapping_names",
    "ready_mapping_samples",
    "ready_mapping_summary",
    "ready_mapping_text",
    "validate_mappings",
]
