"""Event types: globs, exclusions, and the data for the trigger index."""

from __future__ import annotations

import pytest

from winchester_core.criteria import EventTypePatterns


@pytest.mark.parametrize(
    ("pattern", "event_type", "taken"),
    [
        ("compute.instance.exists", "compute.instance.exists", True),
        ("compute.instance.exists", "compute.instance.exists.verified", False),
        ("compute.*", "compute.instance.exists", True),
        ("compute.*", "xcompute.instance", False),
        ("compute.*", "compute", False),
        ("*.end", "compute.instance.create.end", True),
        ("volume.?", "volume.a", True),
        ("volume.?", "volume.ab", False),
        ("volume.[ab]", "volume.b", True),
        ("volume.[!ab]", "volume.b", False),
        ("volume.[!ab]", "volume.c", True),
        ("Volume.*", "volume.a", False),
        ("volume.[", "volume.[", True),
        ("a*", "a\nb", True),
        ("ä.*", "ä.b", True),
    ],
)
def test_a_glob_matches_the_whole_type_case_sensitively(
    pattern: str, event_type: str, taken: bool
) -> None:
    patterns = EventTypePatterns(pattern)
    assert patterns.matches(event_type) is taken
    assert patterns.matches_uncached(event_type) is taken


def test_an_exclusion_overrides_every_inclusion_in_any_order() -> None:
    patterns = EventTypePatterns(["!a.exists", "a.*", "a.exists", "b"])
    assert [patterns.matches(each) for each in ("a.x", "a.exists", "b")] == [True, False, True]


def test_exclusions_alone_match_all_other_types() -> None:
    patterns = EventTypePatterns("!a.*")
    assert patterns.matches("b")
    assert not patterns.matches("a.b")
    assert patterns.prefixes == ("",)


def test_an_excluded_glob_may_have_wildcards() -> None:
    patterns = EventTypePatterns(["a.*", "!*.end"])
    assert patterns.matches("a.start")
    assert not patterns.matches("a.end")


def test_only_the_first_exclamation_mark_excludes() -> None:
    patterns = EventTypePatterns("!!a")
    assert not patterns.matches("!a")
    assert patterns.matches("a")


def test_the_index_gets_exact_types_and_glob_prefixes_or_suffixes() -> None:
    patterns = EventTypePatterns(
        ["a.b", "c.*", "c.*.d", "*.e", "*f*.e", "?g", "f[gh]", "*[ab]h", "*i[j", "a.b", "!a.*"]
    )
    assert patterns.literals == {"a.b"}
    assert patterns.prefixes == ("c.", "f")
    assert patterns.suffixes == (".e", "g", "h", "j")


@pytest.mark.parametrize("glob", ["*", "*.a.*", "[ab]", "*[!a]"])
def test_a_glob_without_a_fixed_prefix_or_suffix_is_a_candidate_for_every_type(glob: str) -> None:
    patterns = EventTypePatterns(glob)
    assert (patterns.prefixes, patterns.suffixes) == (("",), ())


def test_every_matching_type_is_found_by_literal_prefix_or_suffix() -> None:
    patterns = EventTypePatterns(["a.b", "c.*", "f[gh]i", "*.e", "*i[j", "[!a]]k"])
    for event_type in ("a.b", "c.", "c.x", "fgi", ".e", "a.e", "i[j", "b]k"):
        assert patterns.matches(event_type)
        assert (
            event_type in patterns.literals
            or event_type.startswith(patterns.prefixes)
            or event_type.endswith(patterns.suffixes)
        )


@pytest.mark.parametrize("bad", ["", "!", [], ["a", ""], ["a", 3], "x" * 1001])
def test_patterns_that_match_no_event_are_refused(bad: list[str]) -> None:
    with pytest.raises(ValueError):
        EventTypePatterns(bad)


def test_the_cache_of_types_is_bounded() -> None:
    patterns = EventTypePatterns("a.*")
    for number in range(2_000):
        assert patterns.matches(f"a.{number}")
    assert patterns._cached_match.cache_info().currsize <= 256  # type: ignore[attr-defined]


def test_a_description_lists_inclusions_and_exclusions() -> None:
    assert EventTypePatterns(["a", "b.*", "!b.c"]).describe() == "'a' or 'b.*' but not 'b.c'"
    assert EventTypePatterns("a").describe() == "'a'"
