"""Glob patterns of event types."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WILDCARDS = frozenset("*?[")
_WILDCARD_DELIMITERS = WILDCARDS | {"]"}
CACHE_SIZE = 256
"""Number of event types to cache for each set of patterns; real triggers receive fewer."""

MAX_PATTERN_LENGTH = 1_000


def pattern_problem(pattern: Any) -> str | None:
    """Return why `pattern` is invalid, or None."""
    if not isinstance(pattern, str):
        return (
            f"an event type must be text, not {type(pattern).__name__}; "
            "allowed: a glob such as 'compute.instance.*', or '!' and a glob to exclude"
        )
    if not pattern:
        return "the event type is empty"
    if pattern == "!":
        return "write the glob to exclude after '!'"
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"the glob has more than {MAX_PATTERN_LENGTH} characters"
    return None


class EventTypePatterns:
    """Matches an event type if an inclusion matches it and no exclusion (`!glob`) does.

    Globs support `*`, `?`, `[seq]` and `[!seq]` and are case-sensitive. If there is no inclusion,
    all types are included. Immutable and thread-safe.
    """

    def __init__(self, patterns: str | Sequence[str]) -> None:
        """Raise `ValueError` for an invalid pattern or an empty list."""
        listed = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        if not listed:
            raise ValueError("the list of event types is empty")
        for pattern in listed:
            if problem := pattern_problem(pattern):
                raise ValueError(problem)
        distinct = tuple(dict.fromkeys(listed))
        self.exclusions = tuple(each[1:] for each in distinct if each.startswith("!"))
        self.inclusions = tuple(each for each in distinct if not each.startswith("!")) or ("*",)
        self.literals = frozenset(each for each in self.inclusions if not WILDCARDS & set(each))
        """Inclusions without wildcards, which match one type each."""
        globs = [each for each in self.inclusions if each not in self.literals]
        ends = {each: _literal_prefix_and_suffix(each) for each in globs}
        self.prefixes = _distinct(begin for begin, end in ends.values() if begin or not end)
        """Literal prefixes of the inclusions with wildcards; "" if one has neither a literal prefix
        nor a literal suffix."""
        self.suffixes = _distinct(end for begin, end in ends.values() if end and not begin)
        """Literal suffixes of the inclusions that begin with a wildcard."""
        self._included = _compile(globs)
        self._excluded = _compile(self.exclusions)
        self._cached_match = self._build_matcher()

    def matches(self, event_type: str) -> bool:
        """Return whether the patterns match `event_type`. Caches recent types."""
        return self._cached_match(event_type)

    def matches_uncached(self, event_type: str) -> bool:
        """Return the same result without the cache, for callers that have their own cache."""
        included = event_type in self.literals or (
            self._included is not None and self._included(event_type) is not None
        )
        return included and (self._excluded is None or self._excluded(event_type) is None)

    def describe(self) -> str:
        """Return the patterns in words."""
        included = " or ".join(map(repr, self.inclusions))
        excluded = " or ".join(map(repr, self.exclusions))
        return f"{included} but not {excluded}" if excluded else included

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.describe()})"

    def _build_matcher(self) -> Callable[[str], bool]:
        if self._included is None and self._excluded is None:
            return self.literals.__contains__
        return lru_cache(CACHE_SIZE)(self.matches_uncached)


def _literal_prefix_and_suffix(glob: str) -> tuple[str, str]:
    """Return the text before the first wildcard of a glob, and after the last."""
    at = [position for position, letter in enumerate(glob) if letter in _WILDCARD_DELIMITERS]
    begin = next(position for position, letter in enumerate(glob) if letter in WILDCARDS)
    return glob[:begin], glob[at[-1] + 1 :]


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _compile(globs: Sequence[str]) -> Callable[[str], object] | None:
    return re.compile("|".join(map(translate, globs))).match if globs else None
