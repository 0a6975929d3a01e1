"""Environment variables in scalars: `${NAME}` and `${NAME:-default}`.

They are replaced after the file has been parsed, so that a value cannot add structure. `$${`
stands for a literal `${`. `$name` without braces is left alone: time expressions use it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = re.compile(
    r"""
    (?P<escaped> \$\$\{ )
    | \$\{ (?P<name> [A-Za-z_][A-Za-z0-9_]* ) (?: :- (?P<default> [^}]* ) )? \}
    | (?P<malformed> \$\{ [^}]* \}? )
    """,
    re.VERBOSE,
)
RETYPED_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null"))


class SubstitutionError(ValueError):
    """A reference that names no variable, or one that is not set."""


def has_reference(text: str) -> bool:
    """Tell whether there is anything in `text` to replace."""
    return "${" in text


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its references replaced; the values are not looked at again.

    As in a shell, the default serves when the variable is unset or empty. Raises
    `SubstitutionError`.
    """
    return REFERENCE.sub(lambda match: _replacement(match, environ), text)


def retype(text: str) -> Any:
    """Return what YAML reads in an unquoted `text`: a number, a truth value, null, or the text."""
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag not in RETYPED_TAGS:
        return text
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except ValueError:
        return text


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "${"
    if match["malformed"]:
        raise SubstitutionError(
            f"{match['malformed']!r} names no environment variable: expected ${{NAME}} or "
            "${NAME:-default}, and $${ for a literal ${"
        )
    name, default = match["name"], match["default"]
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise SubstitutionError(
            f"the environment variable {name} is not set: set it, or give a default as in "
            f"${{{name}:-default}}"
        )
    return value
