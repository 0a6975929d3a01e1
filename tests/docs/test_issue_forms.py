"""The forms for issues are valid, and GitHub and GitLab have the same kinds.

Format: https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted(
    path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"
)
TEXTS = {"input", "textarea"}
"""Types of elements into which a reporter writes."""


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_is_complete(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    fields = [element for element in content["body"] if element["type"] in TEXTS]

    assert set(content) == {"name", "description", "labels", "body"}
    assert {element["type"] for element in content["body"]} <= TEXTS | {"markdown"}
    assert all(element["attributes"]["label"] for element in fields)
    assert len({element["id"] for element in fields}) == len(fields)
    assert any(element.get("validations", {}).get("required") for element in fields)


def test_both_services_have_the_same_kinds() -> None:
    templates = (ROOT / ".gitlab" / "issue_templates").glob("*.md")

    assert {path.stem.lower() for path in templates} == {form.stem for form in FORMS}
    assert {form.stem for form in FORMS} == {"bug", "feature", "question"}
