from __future__ import annotations

import pytest
from stackdistiller.distiller import TraitDefinition

from winchester_core.distill.field_path import compile_path
from winchester_core.errors import FieldPathError

BODY = {
    "where": "w",
    "id": "i-1",
    "none": None,
    "text": "abc",
    "number": 5,
    "empty": [],
    "a-b": {"@c": 1},
    "it's": "quoted",
    "payload": {
        "id": "p-1",
        "a.b": {"c": 1},
        "*": "star",
        "": "nameless",
        "deep": {"er": {"est": {"x": 0}}},
        "list": [{"id": "l-0", "tags": ["t0", "t1"]}, {"id": "l-1"}, 3],
    },
}

PLAIN = [
    "id",
    "none",
    "missing",
    "$.payload.id",
    "payload",
    "payload.id",
    "payload.missing",
    "payload.'a.b'.c",
    'payload."a.b".c',
    "payload.''",
    "'it\\'s'",
    "a-b.missing",
    "'where'",
    "payload.deep.er.est.x",
    "payload.list[0].id",
    "payload.list[1].id",
    "payload.list[-1]",
    "payload.list[9].id",
    "payload.list[0].tags[1]",
    "payload.list.id",
    "payload.deep.er.missing.x",
    "text[1]",
    "text.x",
    "number.x",
    "none.x",
    "empty[0]",
]
OTHERS = [
    "payload.*",
    "payload.'*'",
    "payload . id",
    "payload.list[*].id",
    "payload.list[0:2].id",
    "payload..id",
    "payload.[id]",
    "payload.(id|list[0].id)",
    "id,text",
    "*",
    "$",
    "@c",
    "payload.list[0].id.`parent`",
]
EXTENDED = {
    "text.`split(b, 1, -1)`": [("", "c")],
    "payload.list.`len`": [("`len`", 3)],
    "payload.list[?id=l-1].id": [("payload.list.[1].id", "l-1")],
    "text.`sub(/b/, -)`": [("", "a-c")],
}


@pytest.mark.parametrize("text", PLAIN + OTHERS)
def test_a_path_finds_the_same_values_as_stackdistiller(text):
    path = compile_path(text)
    oracle = TraitDefinition("t", {"fields": text}, {})
    expected = [
        (".".join(oracle._get_path(match)), match.value)
        for match in oracle.fields.find(BODY)
        if match.value is not None
    ]
    assert path.matches(BODY) == expected
    assert path.first(BODY) == (expected[0][1] if expected else None)


@pytest.mark.parametrize("text", PLAIN)
def test_keys_and_indexes_bypass_the_jsonpath_engine(text):
    assert compile_path(text).is_plain


@pytest.mark.parametrize("text", [*OTHERS, *EXTENDED])
def test_other_paths_use_the_engine(text):
    assert not compile_path(text).is_plain


@pytest.mark.parametrize(("text", "expected"), EXTENDED.items())
def test_functions_and_filters_of_the_extension_are_supported(text, expected, capsys):
    path = compile_path(text)
    assert path.matches(BODY)[0][1] == expected[0][1]
    assert len(path.matches(BODY)) == len(expected)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("body", [{"x": None}, {"x": {}}, {"x": {"0": 1}}, {"x": 7}, {"x": []}])
def test_an_index_into_a_value_that_is_not_a_list_finds_nothing(body):
    assert compile_path("x[0].id").matches(body) == []


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("payload..", 9, "unexpected end"),
        ("payload.%id", 8, "unexpected character"),
        ("payload id", 8, "unexpected 'id'"),
        ("payload.where", 8, "unexpected 'where'"),
        ("payload.'id", 11, "unclosed quote"),
        ("a.`spilt(., 1, 1)`", 2, "unknown or malformed function"),
        ("a.`split(1)`", 2, "unknown or malformed function"),
        ("payload.(a & b)", 11, "intersections cannot be evaluated"),
    ],
)
def test_an_unparsable_path_is_refused_with_its_position(text, position, reason):
    with pytest.raises(FieldPathError) as caught:
        compile_path(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert reason in caught.value.reason


def test_a_path_is_compiled_once():
    assert compile_path("payload.compiled_once") is compile_path("payload.compiled_once")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ctxt.user_id", "u-1"),
        ("ctxt.roles.first", "admin"),
        ("ctxt.missing", None),
        ("ctxt.own", 1),
        ("ctxt", {"own": 1, "none": None}),
        ("ctxt.none", "there"),
        ("ctxt.list[1]", "b"),
        ("metadata.message_id", "m-1"),
        ("metadata.timestamp", "2026-03-02 09:00:00.5"),
        ("metadata.other", None),
    ],
)
def test_paths_into_the_form_of_ceilometer_find_the_keys_of_a_notification(
    text: str, value: object
) -> None:
    notification = {
        "message_id": "m-1",
        "timestamp": "2026-03-02 09:00:00.5",
        "other": 5,
        "_context_user_id": "u-1",
        "_context_roles": {"first": "admin"},
        "_context_own": 2,
        "_context_none": "there",
        "_context_list": ["a", "b"],
        "ctxt": {"own": 1, "none": None},
    }

    path = compile_path(text)

    assert path.first(notification) == value
    assert path.matches(notification) == (
        [] if value is None else [(text.replace("[", ".["), value)]
    )


@pytest.mark.parametrize("text", ["ctxt.roles[*]", "ctxt.*", "$..ctxt.roles"])
def test_paths_that_are_not_plain_find_only_what_they_name(text: str) -> None:
    assert compile_path(text).first({"_context_roles": ["admin"]}) is None


@pytest.mark.parametrize(("text", "value"), [("a[1]", "e"), ("a[-1]", "t"), ("a[9]", None)])
def test_an_index_into_a_text_finds_a_character(text: str, value: str | None) -> None:
    assert compile_path(text).first({"a": "text"}) == value


@pytest.mark.parametrize("value", [7, {"0": 1}, None, True])
def test_an_index_into_another_value_finds_nothing(value: object) -> None:
    assert compile_path("a[0]").first({"a": value}) is None
