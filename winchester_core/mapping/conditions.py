"""Compiled conditions of a rule (`when`)."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from winchester_core.mapping.paths import compile_scoped_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.mapping.paths import Scope, ScopedPath

EXISTS = "exists"
WILDCARDS = frozenset("*?[")
MAX_TEXT_LENGTH = 65_536
"""A longer text matches no glob. The worst-case time is the product with the glob's length."""


class Conditions:
    """Conditions on paths, all of which must hold.

    A condition is a constant, a text with the wildcards of globs (`*`, `?`, `[seq]`, `[!seq]`), a
    list of them (one must match), or `{exists: true}` or `{exists: false}`. The type counts: `"1"`,
    1 and true are different, 1 and 1.0 are equal. A null is like a missing value.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._tests = [
            (compile_scoped_path(text), compile_test(setting)) for text, setting in settings.items()
        ]
        self.paths: tuple[ScopedPath, ...] = tuple(path for path, _ in self._tests)

    def first_unmet(self, scope: Scope) -> str | None:
        """Return the path of the first condition that does not hold, or None.

        A condition whose path does not fit the message does not hold.
        """
        for path, test in self._tests:
            try:
                is_met = test(path.first(scope))
            except Exception:  # noqa: BLE001 - see ScopedPath
                is_met = False
            if not is_met:
                return path.text
        return None


def compile_test(setting: Any) -> Callable[[Any], bool]:
    """Return a test of a value, for a valid condition."""
    if isinstance(setting, dict):
        is_required = setting[EXISTS]
        return lambda value: (value is not None) is is_required
    if isinstance(setting, list):
        tests = [compile_test(each) for each in setting]
        return lambda value: any(test(value) for test in tests)
    if isinstance(setting, str) and WILDCARDS & set(setting):
        match = re.compile(translate(setting)).match
        return lambda value: (
            isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH and match(value) is not None
        )
    is_boolean = isinstance(setting, bool)
    return lambda value: isinstance(value, bool) is is_boolean and bool(value == setting)
