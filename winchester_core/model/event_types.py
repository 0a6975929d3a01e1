"""Globs of event types: which types a criterion is about."""

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
"""Event types remembered for each set of patterns: more than a cloud sends to one trigger."""

MAX_PATTERN_LENGTH = 1_000


def pattern_problem(pattern: Any) -> str | None:
    """Return why `pattern` cannot be used, or None."""
    if not isinstance(pattern, str):
        return (
            f"an event type is text, not {type(pattern).__name__}; "
            "allowed: a glob such as 'compute.instance.*', or '!' and a glob to exclude"
        )
    if not pattern:
        return "an empty event type: no event has one"
    if pattern == "!":
        return "'!' excludes nothing; write the glob to exclude after it"
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"a glob of more than {MAX_PATTERN_LENGTH} characters"
    return None


class EventTypePatterns:
    """Event types that some inclusion matches and no exclusion (`!glob`) does.

    Globs know `*`, `?`, `[seq]` and `[!seq]` and are case-sensitive. Exclusions alone mean all
    types but theirs. Immutable, and safe to share between threads.
    """

    def __init__(self, patterns: str | Sequence[str]) -> None:
        """Raise `ValueError` for a pattern that cannot be used, or when there is none."""
        listed = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        if not listed:
            raise ValueError("no event type")
        for pattern in listed:
            if fault := pattern_problem(pattern):
                raise ValueError(fault)
        distinct = tuple(dict.fromkeys(listed))
        self.exclusions = tuple(each[1:] for each in distinct if each.startswith("!"))
        self.inclusions = tuple(each for each in distinct if not each.startswith("!")) or ("*",)
        self.literals = frozenset(each for each in self.inclusions if not WILDCARDS & set(each))
        """The inclusions without wildcards: they match one type each."""
        globs = [each for each in self.inclusions if each not in self.literals]
        ends = {each: _literal_prefix_and_suffix(each) for each in globs}
        self.prefixes = _distinct(begin for begin, end in ends.values() if begin or not end)
        """What types begin with that the other inclusions match; "" where that can be anything,
        except for those that have one of `suffixes`."""
        self.suffixes = _distinct(end for begin, end in ends.values() if end and not begin)
        """What types end with that they match where their beginning can be anything."""
        self._included = _compile(globs)
        self._excluded = _compile(self.exclusions)
        self._cached_match = self._build_matcher()

    def matches(self, event_type: str) -> bool:
        """Tell whether the patterns take `event_type`. Remembers the latest types."""
        return self._cached_match(event_type)

    def matches_uncached(self, event_type: str) -> bool:
        """The same, without memory: for a caller that remembers the answer itself."""
        included = event_type in self.literals or (
            self._included is not None and self._included(event_type) is not None
        )
        return included and (self._excluded is None or self._excluded(event_type) is None)

    def describe(self) -> str:
        """The patterns in words."""
        taken = " or ".join(map(repr, self.inclusions))
        left_out = " or ".join(map(repr, self.exclusions))
        return f"{taken} but not {left_out}" if left_out else taken

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.describe()})"

    def _build_matcher(self) -> Callable[[str], bool]:
        if self._included is None and self._excluded is None:
            return self.literals.__contains__
        return lru_cache(CACHE_SIZE)(self.matches_uncached)


def _literal_prefix_and_suffix(glob: str) -> tuple[str, str]:
    """What stands before the first wildcard of a glob that has one, and after the last."""
    at = [position for position, letter in enumerate(glob) if letter in _WILDCARD_DELIMITERS]
    begin = next(position for position, letter in enumerate(glob) if letter in WILDCARDS)
    return glob[:begin], glob[at[-1] + 1 :]


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _compile(globs: Sequence[str]) -> Callable[[str], object] | None:
    return re.compile("|".join(map(translate, globs))).match if globs else None
