"""The OpenAPI document: complete, consistent, and equal to what the operations accept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from winchester_core.console.api.actions import bulk_body, bulk_request
from winchester_core.console.api.catalogue import OPERATIONS
from winchester_core.console.api.openapi import PROBLEMS, openapi_document
from winchester_core.console.api.schemas import SCHEMAS
from winchester_core.console.bulk_kinds import BULK_ACTIONS
from winchester_core.console.problems import Problem
from winchester_core.console.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.console.bulk_kinds import BulkAction

DOCUMENT = openapi_document(OPERATIONS, login_cookie="winchester_login_8100")
LOCAL = openapi_document(OPERATIONS, login_cookie=None)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_reference_has_its_schema_and_every_schema_is_used() -> None:
    found = {each.rpartition("/")[2] for each in references(DOCUMENT)}
    assert found == set(SCHEMAS)
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_operations_have_unique_names_and_described_parameters() -> None:
    names = [each["operationId"] for *_, each in operations(DOCUMENT)]
    assert len(set(names)) == len(names) == len(OPERATIONS)
    for path, _, operation in operations(DOCUMENT):
        in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert in_path == [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for each in operation["parameters"]:
            Draft202012Validator.check_schema(each["schema"])
            assert each["in"] == "path" or each["description"]


def test_lists_have_the_parameters_of_their_filters() -> None:
    for resource in RESOURCES.values():
        operation = DOCUMENT["paths"][f"/api/v1/{resource.name}"]["get"]
        names = [each["name"] for each in operation["parameters"]]
        assert names[: len(resource.parameters)] == [each.name for each in resource.parameters]
        assert {"order", "limit", "cursor"} < set(names)
        assert ("by" in names) == (resource.name == "events")


def test_problems_have_descriptions_and_one_schema() -> None:
    used: set[int] = set()
    for _, method, operation in operations(DOCUMENT):
        statuses = {int(each) for each in operation["responses"]} - {200}
        used |= statuses
        assert statuses >= {400, 401, 421, 429, 503}
        assert ({403, 408, 413, 415} <= statuses) == (method == "post")
        for status in statuses:
            content = operation["responses"][str(status)]["content"]
            assert list(content) == ["application/problem+json"]
    assert used == set(PROBLEMS)


def test_changes_need_a_token_or_a_login_with_its_csrf_token() -> None:
    for _, method, operation in operations(DOCUMENT):
        login = {"login": [], "csrf": []} if method == "post" else {"login": []}
        assert operation["security"] == [{"bearer": []}, login]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearer", "login", "csrf"}


def test_a_console_without_tokens_needs_no_credential() -> None:
    for _, method, operation in operations(LOCAL):
        assert operation["security"] == [{"csrf": []} if method == "post" else {}]
        assert not {"401", "429"} & set(operation["responses"])


@pytest.mark.parametrize("name", BULK_ACTIONS)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dry_run": True},
        {"dry_run": False},
        {"up_to_id": 3, "confirmed": 0},
        {"up_to_id": 3},
        {"confirmed": 3},
        {"up_to_id": 0, "confirmed": 0},
        {"up_to_id": -1, "confirmed": 0},
        {"up_to_id": 3, "confirmed": 10_000, "after_id": 2},
        {"up_to_id": 3, "confirmed": 10_001},
        {"up_to_id": "3", "confirmed": 1},
        {"up_to_id": 3, "confirmed": 1, "after_id": -1},
        {"up_to_id": 3, "confirmed": 1, "force": True},
        {"dry_run": 1},
        {"dry_run": True, "filter": {}},
        {"dry_run": True, "filter": None},
        {"dry_run": True, "filter": {"colour": "red"}},
        {"dry_run": True, "filter": {"older_than": ""}},
        {"dry_run": True, "filter": {"older_than": 5}},
        {"dry_run": True, "filter": {"older_than": ["1d"]}},
    ],
)
def test_the_schema_of_a_bulk_request_is_what_is_accepted(name: str, body: dict[str, Any]) -> None:
    bulk = BULK_ACTIONS[name]
    is_valid = Draft202012Validator(bulk_body(bulk)).is_valid(body)
    assert is_accepted(bulk, body) == is_valid


def is_accepted(bulk: BulkAction, body: dict[str, Any]) -> bool:
    try:
        bulk_request(bulk, body)
    except Problem:
        return False
    return True
