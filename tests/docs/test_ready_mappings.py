"""The page of the ready mappings describes the events that their samples make."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from generated_reference.ready_mappings import event_type_globs, head_of

from support.builders.ready_mappings import samples_of
from winchester_core.mapping import ready_mapping_names

EXAMPLE = re.compile(r"`([^`.]+\.[^`]+)`|\b([a-z]+(?:\.[a-z0-9_/]*[a-z0-9])+)")
"""A type in the comment of a file: quoted, or lower case with a dot."""


@pytest.mark.parametrize("name", ready_mapping_names())
def test_event_types_of_samples_are_documented(name: str) -> None:
    globs = event_type_globs(name)
    types = {clean.event["event_type"] for each in samples_of(name) for clean in each.events()}

    assert globs
    assert [each for each in types if not any(fnmatchcase(each, glob) for glob in globs)] == []


@pytest.mark.parametrize("name", ready_mapping_names())
def test_event_types_in_the_comment_of_a_file_are_those_of_samples(name: str) -> None:
    types = {clean.event["event_type"] for each in samples_of(name) for clean in each.events()}

    examples = EXAMPLE.findall(head_of(name).keys["event_type"])

    assert examples
    assert [quoted or word for quoted, word in examples if (quoted or word) not in types] == []
