"""Fenced blocks of a Markdown page, with the test comments above them.

A comment directly above a block, invisible to readers, controls its test:

    <!-- test: file=NAME -->      the block is the content of that file
    <!-- test: append=NAME -->    it is appended to that file
    <!-- test: exit=2 -->         its last command exits with this status
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
    DOCS / "faq.md",
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
    """A fenced block. `line` is that of its first line of content, counted from 1."""

    page: str
    line: int
    language: str
    text: str
    key: str | None
    value: str

    @property
    def place(self) -> str:
        """Return page and line, for a message."""
        return f"{self.page}:{self.line}"


def blocks_of(path: Path, root: Path) -> list[Block]:
    """Return the blocks of a page in order, without those in generated regions."""
    page = path.read_text(encoding="utf-8")
    page = _GENERATED.sub(lambda match: "\n" * match[0].count("\n"), page)
    name = str(path.relative_to(root))
    return [_block(name, page, match) for match in _FENCE.finditer(page)]


def _block(name: str, page: str, match: re.Match[str]) -> Block:
    key = match["key"]
    assert key is None or key in KEYS, f"{name}: unknown key {key!r} in a comment to the tests"
    line = page.count("\n", 0, match.start("text")) + 1
    return Block(name, line, match["language"], match["text"], key, match["value"] or "")
