"""Only the parts of a configuration that a command needs are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import ConfigDir


@pytest.mark.parametrize(
    ("part", "key", "wanted"),
    [
        ("triggers", "trigger_definitions", "the name of a file, or its content"),
        ("pipelines", "pipeline_config", "the name of a file, or its content"),
        ("distiller", "distiller_config", "the name of a file, or its content"),
        ("sources", "event_sources", "a mapping of event sources"),
    ],
)
def test_a_part_is_required_only_where_needed(
    config: ConfigDir, part: str, key: str, wanted: str
) -> None:
    config.settings()

    assert config.problems(needs={"database", part}) == [
        f"winchester.yaml:1:1: {key}: is missing, and needed here: {wanted}"
    ]


def test_an_ignored_part_is_not_read(config: ConfigDir) -> None:
    content = """\
        pipeline_config: not_here.yaml
        pipeline_handlers: {a: 'module:Class'}
        trigger_definitions: not_here.yaml
        distiller_config: not_here.yaml
        distiller_trait_plugins: {a: 'module:Class'}
        event_sources: {a: {source: not_installed}}
        """
    ignores = {"pipelines", "triggers", "distiller", "sources"}

    settings = config.settings(content, ignores=ignores)

    assert not settings.pipelines
    assert not settings.event_sources
    assert len(config.problems(content)) == 6


def test_variables_of_sources_are_required_only_where_sources_are_read(config: ConfigDir) -> None:
    content = (
        "event_sources:\n"
        "  web: {source: http, params: {token: '${TOKEN}', paths: [{path: '${PATH_OF_HOOKS}'}]}}\n"
    )
    settings = config.settings(content, ignores={"sources"}, environ={})
    assert settings.event_sources == {}

    problems = config.problems(content, environ={})
    assert [each.split(": ")[2].split(" is ")[0] for each in problems] == [
        "the environment variable TOKEN",
        "the environment variable PATH_OF_HOOKS",
    ]
