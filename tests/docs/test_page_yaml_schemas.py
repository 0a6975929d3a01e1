"""Every YAML block on a page is valid under the JSON Schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.probes.editor_schemas import Editor, EditorsLoader
from support.probes.page_blocks import PAGES, ROOT, blocks_of
from support.probes.page_yaml import DATABASE, kind_of
from winchester_core.config.plugin_entries import PluginAliases

if TYPE_CHECKING:
    from support.probes.page_blocks import Block

DOCUMENTS = {
    "settings": "winchester",
    "triggers": "triggers",
    "criteria": "triggers",
    "pipelines": "pipelines",
    "event definitions": "event_definitions",
    "mappings": "mappings",
    "mapping rules": "mappings",
    "cases": "cases",
}
BLOCKS = [
    block
    for page in [ROOT / "README.md", *PAGES]
    for block in blocks_of(page, ROOT)
    if block.language == "yaml" and block.key != "skip"
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_yaml_block_passes_its_json_schema(block: Block) -> None:
    content = yaml.load(block.text, EditorsLoader)
    kind = kind_of(content)
    handlers = content.get("pipeline_handlers", {}) if kind == "settings" else {}
    editor = Editor(PluginAliases(handlers=handlers))

    assert editor.content_errors(DOCUMENTS[kind], _complete_document(kind, content)) == []


def _complete_document(kind: str, content: Any) -> Any:
    """Return the complete file that a block belongs to."""
    if kind == "settings":
        return {"database": DATABASE, **content}
    if kind == "mapping rules":
        return {"shown": content}
    if kind == "criteria":
        return [
            {
                "name": "shown",
                "distinguished_by": [],
                "match_criteria": [{key: each[key] for key in each if key != "number"}],
                "fire_criteria": [each],
                "expiration": "$last + 1h",
                "fire_pipeline": "any",
            }
            for each in content
        ]
    return content
