"""Problems of a configuration: validation by schemas, error messages, and the report."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Marker, MultipleInvalid, RequiredFieldInvalid, Schema

from winchester_core.errors import ConfigurationError
from winchester_core.interfaces.json_schema import annotation_of
from winchester_core.masking import MASK, MIN_TOKEN_LENGTH, is_secret_key, mask_url
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator

    from winchester_core.config.document import Document, DocumentPath, Mark

logger = logging.getLogger("winchester_core.config")

PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*\Z")
QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True, slots=True)
class ConfigurationProblem:
    """A problem or warning with its position."""

    name: str
    mark: Mark | None
    path: DocumentPath
    message: str

    def __str__(self) -> str:
        position = f"{self.name}:{self.mark.line}:{self.mark.column}" if self.mark else self.name
        parts = (position, format_path(self.path), self.message)
        return ": ".join(part for part in parts if part)


class ProblemReport:
    """Collects problems and warnings while a configuration is read."""

    def __init__(self) -> None:
        self._problems: list[ConfigurationProblem] = []
        self._warnings: list[ConfigurationProblem] = []

    @property
    def problems(self) -> list[str]:
        """All problems without duplicates, by file in reading order, then by position."""
        files = list(dict.fromkeys(problem.name for problem in self._problems))

        def position(problem: ConfigurationProblem) -> tuple[int, Mark | tuple[int, int]]:
            return files.index(problem.name), problem.mark or (0, 0)

        return list(dict.fromkeys(str(problem) for problem in sorted(self._problems, key=position)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings without duplicates, in the order in which they were found."""
        return tuple(dict.fromkeys(str(warning) for warning in self._warnings))

    def add(
        self, document: Document, path: DocumentPath, message: str, *, at_key: bool = False
    ) -> None:
        """Add a problem at `path` of `document`, unless that node has been reported already."""
        if not document.is_broken(path):
            self._problems.append(_problem(document, path, message, at_key=at_key))

    def add_file_problem(
        self, name: str, mark: Mark | None, message: str, path: DocumentPath = ()
    ) -> None:
        """Add a problem in a file that has no document yet."""
        self._problems.append(ConfigurationProblem(name, mark, path, message))

    def add_file_warning(
        self, name: str, mark: Mark | None, message: str, path: DocumentPath
    ) -> None:
        """Add a warning about a file that has no document yet."""
        self._warnings.append(ConfigurationProblem(name, mark, path, message))

    def discard(self, name: str, key: Hashable, kept: Collection[Hashable] = ()) -> None:
        """Remove the problems under the key `key` of the file `name`, except under `kept` in it."""
        self._problems = [
            each
            for each in self._problems
            if each.name != name
            or each.path[:1] != (key,)
            or (len(each.path) > 1 and each.path[1] in kept)
        ]

    def warn(
        self, document: Document, path: DocumentPath, message: str, *, at_key: bool = False
    ) -> None:
        """Add a warning at `path` of `document`."""
        self._warnings.append(_problem(document, path, message, at_key=at_key))

    def raise_problems(self) -> None:
        """Log the warnings. If there are problems, raise `ConfigurationError` with all of them."""
        for warning in self.warnings:
            logger.warning("%s", warning)
        if self._problems:
            raise ConfigurationError(self.problems)


def format_path(path: DocumentPath) -> str:
    """Format a path as in `match_criteria[0].traits['a.b']`."""
    text = "".join(_format_step(step) for step in path)
    return text.removeprefix(".")


def _format_step(step: Hashable) -> str:
    if isinstance(step, str) and PLAIN_KEY.match(step):
        return f".{step}"
    return f"[{step}]" if isinstance(step, date) else f"[{step!r}]"


def _problem(
    document: Document, path: DocumentPath, message: str, *, at_key: bool
) -> ConfigurationProblem:
    mark = document.mark(path, at_key=at_key)
    return ConfigurationProblem(document.name, mark, document.base + path, message)


INVALID: Any = object()
"""Returned instead of a rejected value."""


def validate(document: Document, validator: Callable[[Any], Any], report: ProblemReport) -> Any:
    """Return the value that `validator` returns for the document, or `INVALID`.

    A scalar from an environment variable is tried as text first; if the validator rejects that, it
    is tried as its YAML value (a number, true or false, null).
    """
    retyped: frozenset[DocumentPath] = frozenset()
    while True:
        try:
            return validator(document.value(retyped))
        except Invalid as invalid:
            errors = list_errors(invalid)
        more = document.substituted(error_path(error) for error in errors)
        if more <= retyped:
            break
        retyped |= more
    schema = validator if isinstance(validator, Schema) else None
    for error in errors:
        add_error(document, error, report, schema)
    return INVALID


def add_error(
    document: Document, error: Invalid, report: ProblemReport, schema: Schema | None = None
) -> None:
    """Add an error of voluptuous to the report, with its position.

    A value from an environment variable is not shown, because it may be a misplaced password.
    """
    path = error_path(error)
    node = document.node(path)
    value = None if node is None else node.value()
    secret = node is not None and node.substituted
    if isinstance(value, str) and any(map(is_secret_key, known_keys(schema, path) or ())):
        secret = True  # text instead of a mapping with a password may be this password
    message = error_message(error, value, schema, secret=secret)
    report.add(document, path, message, at_key=concerns_key(error))


MAX_VALUE_LENGTH = 60
UNKNOWN_KEY = "extra keys not allowed"
MESSAGE_TEXTS = {
    "expected str": "expected text",
    "expected int": "expected a whole number",
    "expected float": "expected a number with a decimal point",
    "expected bool": "expected true or false",
    "expected list": "expected a list",
    "expected a list": "expected a list",
    "expected dict": "expected a mapping",
    "expected a dictionary": "expected a mapping",
    "expected NoneType": "expected nothing",
}


class InvalidKey(Invalid):
    """A complete message about a key instead of its value."""


def list_errors(error: Invalid) -> list[Invalid]:
    """Return the single errors in `error`; missing keys come last, sorted by name."""
    errors = list(error.errors) if isinstance(error, MultipleInvalid) else [error]
    missing = [single for single in errors if isinstance(single, RequiredFieldInvalid)]
    missing.sort(key=lambda single: str(single.path[-1]))
    return [single for single in errors if single not in missing] + missing


def error_path(error: Invalid) -> DocumentPath:
    """Return the path of an error with plain keys, as in the file."""
    return tuple(key.schema if isinstance(key, Marker) else key for key in error.path)


def concerns_key(error: Invalid) -> bool:
    """Return whether an error concerns a key instead of its value."""
    if isinstance(error, InvalidKey) or error.msg == UNKNOWN_KEY:
        return True
    return error.msg.startswith("unknown key")  # messages of criteria and definitions


def error_message(error: Invalid, value: Any, schema: Any = None, *, secret: bool = False) -> str:
    """Return the message of an error. `value` is the value at the error's path.

    `schema` is the schema that rejected it, for the allowed keys. A `secret` value is not shown,
    nor is the value of a secret key.
    """
    path = error_path(error)
    if error.msg == UNKNOWN_KEY:
        return unknown_key_message(path[-1], known_keys(schema, path[:-1]))
    if isinstance(error, RequiredFieldInvalid):
        return "is missing" if error.msg == "required key not provided" else error.msg
    secret = secret or _is_secret(path, value)
    text = _mask_value(error.msg, value) if secret else mask_url(error.msg)
    if type(error) in (Invalid, InvalidKey) and text not in MESSAGE_TEXTS:
        return text
    return f"{MESSAGE_TEXTS.get(text, text)}, not {MASK if secret else format_value(value)}"


def _is_secret(path: DocumentPath, value: Any) -> bool:
    """Return whether a key of the path is secret, or is within a secret.

    The name and the role of a token are not, unless the value may be a misplaced token.
    """
    match path:
        case (*parents, "tokens", int(), "name" | "role") if len(str(value)) < MIN_TOKEN_LENGTH:
            path = tuple(parents)
        case _:
            pass
    return any(map(is_secret_key, path))


def unknown_key_message(key: object, known: set[str] | None) -> str:
    """Return the message for an unknown key, with the most similar or all `known` keys."""
    message = f"unknown key {key!r}"
    return message if known is None else f"{message}; {suggestion(key, known, 'allowed')}"


def format_value(value: Any) -> str:
    """Return a value for a message: short, with passwords in URLs masked."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = repr(mask_url(value) if isinstance(value, str) else value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."


def known_keys(schema: Any, path: DocumentPath) -> set[str] | None:
    """Return the keys that `schema` allows in the mapping at `path`; None if it has no mapping."""
    mappings = [each for each in schemas_at(schema, path) if isinstance(each, Mapping)]
    if not mappings:
        return None
    keys = (_key_name(key) for mapping in mappings for key in mapping)
    return {key for key in keys if isinstance(key, str)}


def schemas_at(schema: Any, path: DocumentPath) -> Iterator[Any]:
    """Yield the validators of `schema` for the value at `path`, alternatives separately."""
    annotation = annotation_of(schema)
    if annotation is not None:
        yield from schemas_at(annotation.like, path)
    elif isinstance(schema, Schema):
        yield from schemas_at(schema.schema, path)
    elif hasattr(schema, "validators"):
        for alternative in schema.validators:
            yield from schemas_at(alternative, path)
    elif not path:
        yield schema
    elif isinstance(schema, Mapping):
        for key, inner in schema.items():
            if _key_name(key) == path[0] or isinstance(_key_name(key), type):
                yield from schemas_at(inner, path[1:])
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from schemas_at(inner, path[1:])


def _key_name(key: Any) -> Any:
    return key.schema if isinstance(key, Marker) else key


def _mask_value(message: str, value: Any) -> str:
    """Mask a secret that a message quotes, completely or in part."""
    if not value:
        return message
    text = str(value)
    masked = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", MASK, message)
    return QUOTED.sub(lambda match: f"'{MASK}'" if match[1] in text else match[0], masked)
