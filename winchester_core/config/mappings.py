"""Mappings of a configuration: their validation, and the names that sources may use."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.config.errors import INVALID, ProblemReport, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.config.document import Document

NO_MAPPINGS: Mapping[str, Any] = MappingProxyType({})


def read_mapping_definitions(
    document: Document, trait_plugins: Mapping[str, Any], report: ProblemReport
) -> Mapping[str, Any]:
    """Return the mappings by name; none if one of them is invalid."""
    from winchester_core.mapping import validate_mappings  # needed only for mappings

    def check(value: Any) -> Any:
        return validate_mappings({} if value is None else value, trait_plugins)

    mappings = validate(document, check, report)
    return NO_MAPPINGS if mappings is INVALID else MappingProxyType(mappings)


def mapping_names_in(document: Document | None) -> set[str]:
    """Return the names of all mappings: of the ready ones, and of those in a document.

    Those of invalid mappings are included, because these are reported already.
    """
    from winchester_core.mapping import ready_mapping_names

    written = None if document is None else document.root.children
    names = map(str, written) if isinstance(written, dict) else ()
    return {*names, *ready_mapping_names()}
