"""Checking a document by a schema, with every refusal in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Schema

from winchester_core.config.wording import errors_of, is_about_key, path_of, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.config.document import Document, Path
    from winchester_core.config.report import Report

INVALID: Any = object()
"""Returned in place of a value that was refused."""


def validate(document: Document, validator: Callable[[Any], Any], report: Report) -> Any:
    """Return what `validator` makes of the document's value, or `INVALID`.

    A scalar that a variable put there is text first; where the validator refuses that, it is
    offered again as YAML would read it (a number, true or false, nothing).
    """
    retyped: frozenset[Path] = frozenset()
    while True:
        try:
            return validator(document.value(retyped))
        except Invalid as refused:
            errors = errors_of(refused)
        more = document.substituted(path_of(error) for error in errors)
        if more <= retyped:
            break
        retyped |= more
    schema = validator if isinstance(validator, Schema) else None
    for error in errors:
        add(document, error, report, schema)
    return INVALID


def add(document: Document, error: Invalid, report: Report, schema: Schema | None = None) -> None:
    """Put one refusal into the report, at its place.

    What a variable of the environment put there is not shown: such a value is often a password,
    and may stand at the wrong key.
    """
    path = path_of(error)
    node = document.node(path)
    value = None if node is None else node.value()
    secret = node is not None and node.substituted
    message = sentence(error, value, schema, secret=secret)
    report.add(document, path, message, at_key=is_about_key(error))
