"""The fenced blocks of a Markdown page, and what comments above them tell the tests.

A comment right above a block speaks to these tests and is seen by no reader:

    <!-- test: file=NAME -->      the block is the content of that file
    <!-- test: append=NAME -->    it is added to that file
    <!-- test: exit=2 -->         its last command ends with this status
    <!-- test: skip=REASON -->    it is not run
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = [
    DOCS / "tutorial.md",
    *sorted((DOCS / "how-to").glob("*.md")),
    *sorted((DOCS / "reference").glob("*.md")),
    *sorted((DOCS / "explanation").glob("*.md")),
]
"""The pages whose examples are run."""
_FENCE = re.compile(
    r"^(?:<!-- test: (?P<key>\w+)=(?P<value>.*?) -->\n)?"
    r"^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_GENERATED = re.compile(r"<!-- generated: (\w+) -->.*?<!-- end: \1 -->", re.DOTALL)
KEYS = {"file", "append", "exit", "skip"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` counts from 1 and is that of its first line of content."""

    page: str
    line: int
    language: str
    text: str
    key: str | None
    value: str

    @property
    def place(self) -> str:
        """Page and line, for a message."""
        return f"{self.page}:{self.line}"


def blocks_of(path: Path, root: Path) -> list[Block]:
    """The blocks of a page in their order; those in generated regions are left out."""
    page = path.read_text(encoding="utf-8")
    page = _GENERATED.sub(lambda match: "\n" * match[0].count("\n"), page)
    name = str(path.relative_to(root))
    return [_block(name, page, match) for match in _FENCE.finditer(page)]


def _block(name: str, page: str, match: re.Match[str]) -> Block:
    key = match["key"]
    assert key is None or key in KEYS, f"{name}: unknown key {key!r} in a comment to the tests"
    line = page.count("\n", 0, match.start("text")) + 1
    return Block(name, line, match["language"], match["text"], key, match["value"] or "")
