"""Templates: texts with paths in braces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from winchester_core.mapping.paths import compile_scoped_path
from winchester_core.mapping.value_types import to_text

if TYPE_CHECKING:
    from winchester_core.mapping.paths import Scope, ScopedPath

_PART = re.compile(r"(\{\{|\}\})|\{([^{}]*)\}|([{}])|([^{}]+)")


class TemplateError(ValueError):
    """A template is invalid; the message is the reason."""


class Template:
    """A text with paths in braces, as in `{action} of {repository.name}`; `{{` is a brace.

    Raises `TemplateError`, and the errors of `compile_scoped_path`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.paths: tuple[ScopedPath, ...] = ()
        self._parts: list[str | ScopedPath] = []
        for match in _PART.finditer(text):
            brace, path, stray, literal = match.groups()
            if stray is not None:
                raise TemplateError(
                    f"unpaired {stray!r} at character {match.start() + 1}: a path is written in "
                    "braces, as in {repository.name}, and a brace is written twice"
                )
            if path is not None and not path.strip():
                raise TemplateError(
                    f"empty braces at character {match.start() + 1}: expected a path in them"
                )
            if path is not None:
                self._parts.append(compile_scoped_path(path.strip()))
            else:
                self._parts.append(literal or brace[0])
        self.paths = tuple(part for part in self._parts if not isinstance(part, str))

    def render(self, scope: Scope) -> str | None:
        """Return the text, or None if a path has no value.

        Raises `ValueError` for a value that is nested too deeply, and what a path raises that is
        not plain.
        """
        texts = []
        for part in self._parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = part.first(scope)
            if value is None:
                return None
            texts.append(to_text(value))
        return "".join(texts)
