"""Every link within the project resolves, and every anchor is a heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "etc/**/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts
)
FENCED = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[(?P<text>[^\]\n]*)\]\((?P<target>[^)\s]+)\)")


def links_of(page: Path) -> list[tuple[str, str]]:
    """Return text and target of each link."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    # a link's text may hold code, and code may look like a link
    text = CODE.sub(lambda match: match[0].translate({ord(each): None for each in "[]()"}), text)
    return [(match["text"], match["target"]) for match in LINK.finditer(text)]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub and MyST generate for a page's headings."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    for text, target in links_of(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _hash, anchor = target.partition("#")
        found = page if not path else (page.parent / path).resolve()
        assert found.exists(), f"{target} leads nowhere"
        assert text, f"{target}: a link without a text is seen by nobody"
        if anchor:
            assert anchor in anchors_of(found), f"{target}: there is no such heading"


def test_every_page_of_the_site_is_reachable_from_its_index() -> None:
    docs = ROOT / "docs"
    for index in [docs / "index.md", *docs.glob("*/index.md")]:
        text = index.read_text(encoding="utf-8")
        tree = re.search(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
        assert tree is not None, index
        patterns = [line for line in tree[1].splitlines() if line and not line.startswith(":")]
        listed = {path for each in patterns for path in index.parent.glob(f"{each}.md")}
        assert len(listed) >= len(patterns), f"{index}: an entry has no page"
        assert {*index.parent.glob("*.md"), *listed} - listed == {index}
