"""Commands, metrics and log records in the text of overview pages exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.probes.page_blocks import DOCS, ROOT
from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from pathlib import Path

TROUBLESHOOT = DOCS / "how-to" / "troubleshoot.md"
PAGES = [
    DOCS / "faq.md",
    DOCS / "explanation" / "architecture.md",
    DOCS / "explanation" / "comparison.md",
    DOCS / "reference" / "compatibility.md",
    TROUBLESHOOT,
]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
RECORDS = (
    "has no Winchester tables yet",
    "prepared statements disabled",
    "requests not authenticated: path=",
    "resource unavailable, retrying: resource=",
    "run hangs",
    "streams expire as soon as they open",
    "this program needs revision",
    "time_sync service unavailable, retrying",
)
"""Texts of the program that the page about symptoms quotes."""


def codes_of(page: Path) -> list[str]:
    """Return the inline code of a page, with line breaks replaced by spaces."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_named_command_exists(page: Path) -> None:
    known = installed_plugins(COMMANDS)
    words = [
        re.match(r"[a-z]+(?: [a-z]+)?", code.removeprefix("winchester "))
        for code in codes_of(page)
        if re.match(r"winchester [a-z]", code)
    ]

    for named in words:
        assert named is not None
        assert named[0] in known or named[0].split()[0] in known, named[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_named_metric_exists(page: Path) -> None:
    reference = (DOCS / "reference" / "metrics.md").read_text()
    metrics = {code for code in codes_of(page) if re.fullmatch(r"winchester_(?!db\b)\w+", code)}

    assert {name for name in metrics if f"`{name}`" not in reference} == set()


def test_every_quoted_record_exists() -> None:
    page = " ".join(TROUBLESHOOT.read_text().split())
    code = "".join(path.read_text() for path in (ROOT / "winchester_core").rglob("*.py"))

    assert [text for text in RECORDS if text not in page] == []
    assert [text for text in RECORDS if text not in code] == []
