"""`regex`: a regular expression that is found in a text, in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import re2
from voluptuous import Invalid, Schema

from winchester_core.criteria.conditions.text import MAX_TEXT_LENGTH, PatternCondition
from winchester_core.criteria.conditions.typed_condition import expression_schema, quote
from winchester_core.interfaces import json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PATTERN_LENGTH = 1_000
"""In characters."""

MAX_PROGRAM_BYTES = 1 << 20
"""RE2's limit for a compiled pattern. This and the text's length limit the time of a match."""


@json_schema(type="string", minLength=1, maxLength=MAX_PATTERN_LENGTH, title="regular expression")
def compile_regex(expression: Any) -> Any:
    """Compile with RE2. Raises `voluptuous.Invalid` with RE2's reason."""
    if not isinstance(expression, str):
        raise Invalid(f"expected a regular expression, not {quote(expression)}; put it in quotes")
    if not 0 < len(expression) <= MAX_PATTERN_LENGTH:
        raise Invalid(
            f"the regular expression has {len(expression)} characters; "
            f"1 to {MAX_PATTERN_LENGTH} are allowed"
        )
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_PROGRAM_BYTES
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        raise Invalid(f"not a regular expression in RE2's syntax: {_reason(error)}") from error
    except UnicodeEncodeError as error:
        raise Invalid("the regular expression has a lone surrogate") from error


class RegexCondition(PatternCondition):
    r"""The trait is text in which the regular expression is found anywhere, like `re.search`.

    Anchor it with `^` and `$` to match the whole text. The syntax is that of RE2: it has no
    back-references and no look-around, `$` matches only at the very end (after a final newline),
    and `(?i)` ignores case. A text does not match if it is longer than 65,536 characters or
    contains a lone surrogate.
    """

    example: ClassVar[str] = "host: {regex: '^web-[0-9]+$'}"
    config_schema: ClassVar[Schema] = expression_schema(compile_regex)
    patterns = "regular expressions"

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._regex = compile_regex(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the expression is found in the trait."""
        value = event.get(self.trait)
        if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
            return False
        try:
            # for bytes, RE2's wrapper need not convert offsets to characters
            return self._regex.search(value.encode()) is not None
        except UnicodeEncodeError:
            return False

    def describe(self) -> str:
        """Return the trait and the pattern, in words."""
        return f"{self.trait} is text in which /{self.expression}/ is found"


def _reason(error: re2.error) -> str:
    reason = error.args[0] if error.args else "unknown"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
