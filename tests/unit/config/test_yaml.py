"""YAML is read with positions, and duplicates that PyYAML accepts are reported."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
import yaml

from support.probes.call_counts import calls_of
from winchester_core.config.document import Document, Mark
from winchester_core.config.errors import ProblemReport
from winchester_core.config.yaml import MAX_VALUES, TOO_MANY_VALUES, parse_yaml

LOADERS = [
    pytest.param(yaml.CSafeLoader, id="libyaml"),
    pytest.param(yaml.SafeLoader, id="python"),
]


def read(text: str | bytes, loader: Any = yaml.CSafeLoader) -> tuple[Document | None, list[str]]:
    report = ProblemReport()
    content = dedent(text).encode() if isinstance(text, str) else text
    document = parse_yaml(content, "f.yaml", report, {}, loader_class=loader)
    return document, report.problems


def document_of(text: str, loader: Any = yaml.CSafeLoader) -> Document:
    document, problems = read(text, loader)
    assert problems == []
    assert document is not None
    return document


@pytest.mark.parametrize("loader", LOADERS)
def test_values_and_keys_have_line_and_column(loader: Any) -> None:
    document = document_of(
        """\
        a:
          - b: 1
            c: [x, y]
        """,
        loader,
    )

    assert document.value() == {"a": [{"b": 1, "c": ["x", "y"]}]}
    assert document.mark(("a", 0, "b")) == Mark(2, 8)
    assert document.mark(("a", 0, "b"), at_key=True) == Mark(2, 5)
    assert document.mark(("a", 0, "c", 1)) == Mark(3, 12)


def test_a_missing_value_has_the_position_of_its_parent() -> None:
    document = document_of("a:\n  b: 1\n")

    assert document.mark(("a", "missing")) == Mark(2, 3)
    assert document.mark(("a", "missing", "deeper", 3)) == Mark(2, 3)
    assert document.node(("a", "missing")) is None


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text",
    [
        "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
        "a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}\n",
        "a: &x {p: 1}\nb: &y {p: 2, r: 4}\nc: {<<: [*x, *y]}\n",
        "a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y, r: 3}\n",
        "a: &x [1, 2]\nb: *x\nc: [*x, *x]\n",
        "a: 1.5\nb: 0x1F\nc: yes\nd: ~\ne: 2015-01-20\nf: 2015-01-20T01:02:03Z\ng: '1'\n",
        "2: two\ntrue: yes\n~: nothing\n",
    ],
)
def test_documents_load_with_pyyamls_values(text: str, loader: Any) -> None:
    assert document_of(text, loader).value() == yaml.safe_load(text)


def test_a_merged_value_has_the_position_of_its_definition() -> None:
    document = document_of("a: &x\n  p: 1\nb:\n  <<: *x\n  q: 2\n")

    assert document.mark(("b", "p")) == Mark(2, 6)
    assert document.mark(("b", "p"), at_key=True) == Mark(2, 3)
    assert document.mark(("b", "q")) == Mark(5, 6)


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "~"])
def test_an_empty_file_is_empty(text: str) -> None:
    assert document_of(text).value() is None


def test_a_duplicate_key_is_reported_with_its_first_line() -> None:
    _, problems = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")

    assert problems == [
        "f.yaml:4:3: b.c: duplicate key, first on line 3",
        "f.yaml:5:1: a: duplicate key, first on line 1",
    ]


def test_a_key_that_overrides_a_merged_one_is_not_a_duplicate() -> None:
    assert document_of("a: &x {p: 1}\nb: {<<: *x, p: 2}").value()["b"] == {"p": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: [1,\nb: 2\n",
            (
                "f.yaml:3:1: not valid YAML: did not find expected ',' or ']' "
                "(while parsing a flow sequence that begins at 1:4)"
            ),
        ),
        (
            "a: b: c\n",
            "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context",
        ),
        ("a:\n\t- b\n", "f.yaml:2:1: not valid YAML: a tab cannot indent; use spaces"),
        (
            "a: 'x\n",
            (
                "f.yaml:2:1: not valid YAML: found unexpected end of stream "
                "(while scanning a quoted scalar that begins at 1:4)"
            ),
        ),
        (
            "a: {b: ${C}}\n",
            (
                "f.yaml:1:9: not valid YAML: did not find expected ',' or '}' (while parsing a "
                "flow mapping that begins at 1:4); within { } and [ ], ${NAME} must be quoted"
            ),
        ),
        ("a: *x\n", "f.yaml:1:4: not valid YAML: found undefined alias"),
        (
            "a: 1\n---\nb: 2\n",
            "f.yaml:2:1: not valid YAML: a second document begins here; a file must contain one",
        ),
        ("a: 1\nb: \x00\n", "f.yaml:2:4: not valid YAML: control characters are not allowed"),
        (
            b"a: 1\nb: \xff\n",
            "f.yaml:2:4: not valid YAML: invalid leading UTF-8 octet",
        ),
    ],
)
def test_a_syntax_error_is_reported_with_position_and_cause(
    text: str | bytes, problem: str
) -> None:
    document, problems = read(text)

    assert document is None
    assert problems == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: !!python/object:os.system x\n",
            "f.yaml:1:4: a: the tag !!python/object:os.system is not supported",
        ),
        ("a: !thing {b: 1}\n", "f.yaml:1:4: a: the tag !thing is not supported"),
        ("a: !!set {b}\n", "f.yaml:1:4: a: the tag !!set is not supported"),
        (
            "a: 2014-13-45\n",
            "f.yaml:1:4: a: not a valid date or time; put it in quotes if text is meant",
        ),
        (
            "a: !!int zz\n",
            "f.yaml:1:4: a: not a valid whole number; put it in quotes if text is meant",
        ),
        (
            "a: !!timestamp x\n",
            "f.yaml:1:4: a: not a valid date or time; put it in quotes if text is meant",
        ),
        ("? !!set b\n: 1\n", "f.yaml:1:3: the tag !!set is not supported"),
        ("a: {!!omap b: 1}\n", "f.yaml:1:5: a: the tag !!omap is not supported"),
        ("a: !!omap\n", "f.yaml:1:4: a: the tag !!omap is not supported"),
        ("a: !!pairs b\n", "f.yaml:1:4: a: the tag !!pairs is not supported"),
        ("a: !!binary Zm9v\n", "f.yaml:1:4: a: the tag !!binary is not supported"),
        ("a: !!map b\n", "f.yaml:1:4: a: the tag !!map is not supported for a plain value"),
        ("a: !!seq\n", "f.yaml:1:4: a: the tag !!seq is not supported for a plain value"),
        ("a: !!map [b]\n", "f.yaml:1:4: a: the tag !!map is not supported for a list"),
        ("a: !!int {b: 1}\n", "f.yaml:1:4: a: the tag !!int is not supported for a mapping"),
        ("a: !!null b\n", "f.yaml:1:4: a: not a valid null; put it in quotes if text is meant"),
        ("a: !!bool b\n", "f.yaml:1:4: a: not a valid boolean; put it in quotes if text is meant"),
        (
            "a: <<\n",
            (
                "f.yaml:1:4: a: '<<' is the key that merges mappings; "
                "put it in quotes if text is meant"
            ),
        ),
        (
            f"a: 0x{'F' * 5000}\n",  # more digits than Python prints
            "f.yaml:1:4: a: not a valid whole number; put it in quotes if text is meant",
        ),
        (
            "? &x !!int zz\n: 1\nb: *x\nc: [*x]\n",  # one problem, whatever uses the value
            "f.yaml:1:3: not a valid whole number; put it in quotes if text is meant",
        ),
        ("? [b]\n: c\n", "f.yaml:1:3: a key must be a plain value"),
        ("a:\n  ? [b]\n  : c\n", "f.yaml:2:5: a: a key must be a plain value"),
        (
            "a: &x {p: 1}\nb: &y {p: 2}\nc:\n  <<: *x\n  <<: *y\n",
            (
                "f.yaml:5:3: c['<<']: duplicate key, first on line 4; "
                "merge several mappings with one key and a list of them"
            ),
        ),
        ("a: {<<: 3}\n", "f.yaml:1:9: a['<<']: expected a mapping, or a list of mappings"),
    ],
)
def test_yaml_no_configuration_can_use_is_refused(text: str, problem: str) -> None:
    assert read(text)[1] == [problem]


@pytest.mark.parametrize("loader", LOADERS)
def test_aliases_that_expand_exponentially_are_refused_at_once(loader: Any) -> None:
    def refuse(levels: int) -> None:
        document, problems = read(_tenfold_aliases(levels), loader)

        assert document is None
        assert problems == [f"f.yaml:5:5: {TOO_MANY_VALUES}"]

    refuse(10)  # imports and caches are no work of the reader
    assert calls_of(lambda: refuse(60)) <= 2 * calls_of(lambda: refuse(30))


@pytest.mark.parametrize("loader", LOADERS)
def test_merge_keys_that_repeat_a_large_mapping_are_refused(loader: Any) -> None:
    keys = MAX_VALUES * 2 // 5
    base = ", ".join(f"k{number}: 1" for number in range(keys))

    document, problems = read(f"a: &a {{{base}}}\nb: {{<<: *a}}\nc: {{<<: [*a, *a]}}\n", loader)

    assert document is None
    assert problems == [f"f.yaml:3:5: {TOO_MANY_VALUES}"]


def _tenfold_aliases(levels: int) -> str:
    """Return a document in which each level expands to ten times the values of the previous one."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("loader", LOADERS)
def test_an_alias_that_contains_itself_is_refused(loader: Any) -> None:
    assert read("a: &x [1, *x]\n", loader)[1] == ["f.yaml:1:4: a[1]: an alias that contains itself"]


@pytest.mark.parametrize("loader", LOADERS)
def test_nesting_deep_enough_to_overflow_the_parser_is_refused(loader: Any) -> None:
    document, problems = read("[" * 500, loader)

    assert document is None
    assert problems == ["f.yaml:1:101: is nested over 100 levels deep"]


def _nested(depth: int, content: str) -> str:
    return "[" * depth + content + "]" * depth


ALIASES_IN_ALIASES = "a0: &a0 " + _nested(60, "") + "\na1: " + _nested(60, "*a0")
MERGED_IN_REVERSE = ", ".join(
    [
        f"{{a0: &a0 {_nested(60, '')}}}",
        *(f"{{a{each}: &a{each} {_nested(60, f'*a{each - 1}')}}}" for each in range(1, 40)),
    ]
)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", [ALIASES_IN_ALIASES, f"b: {{<<: [{MERGED_IN_REVERSE}]}}"])
def test_nesting_by_aliases_is_refused(text: str, loader: Any) -> None:
    document, problems = read(text, loader)

    assert document is None
    assert [problem.split(": ", 1)[1] for problem in problems] == ["is nested over 100 levels deep"]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 2_000, "- " * 1_500 + "x"])
def test_nesting_refused_by_the_parser_is_reported_alike(text: str, loader: Any) -> None:
    document, problems = read(text, loader)

    assert document is None
    assert [problem.split(": ", 1)[1] for problem in problems] == ["is nested over 100 levels deep"]


def test_an_oversized_file_is_refused() -> None:
    assert read(b"#" * (4 * 1024 * 1024 + 1))[1] == [
        "f.yaml: has 4194305 bytes; the maximum is 4194304"
    ]
