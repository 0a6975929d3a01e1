"""Kinds of YAML blocks, recognized by shape, and their validation by the program."""

from __future__ import annotations

from typing import Any

from winchester_core.bootstrap import load_settings
from winchester_core.config.cases import CASES_SCHEMA
from winchester_core.config.settings import SETTINGS_SCHEMA
from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.criteria.compiler import FIRE_KEYS
from winchester_core.plugins import CONDITIONS, PluginRegistry

SETTING_NAMES = {str(marker.schema) for marker in SETTINGS_SCHEMA.schema}
PIPELINE_KEYS = ("fire_pipeline", "expire_pipeline", "cancel_pipeline")
DATABASE = {"url": "sqlite://"}


def check(content: Any) -> str:
    """Validate a block; return its kind.

    Raises `ConfigurationError` or `voluptuous.Invalid` for content that the program refuses, and
    `ValueError` for content of no known kind.
    """
    kind = kind_of(content)
    match kind:
        case "settings":
            load_settings({"database": DATABASE, **content}, environ={})
        case "triggers":
            load_settings(
                {
                    "database": DATABASE,
                    "trigger_definitions": content,
                    "pipeline_config": _pipelines_of(content),
                }
            )
        case "criteria":
            for criterion in content:
                compile_criterion(criterion, PluginRegistry(CONDITIONS), CriteriaList.FIRE)
        case "event definitions":
            load_settings({"database": DATABASE, "distiller_config": content})
        case "mappings":
            load_settings({"database": DATABASE, "mapping_definitions": content})
        case "mapping rules":
            load_settings({"database": DATABASE, "mapping_definitions": {"shown": content}})
        case "pipelines":
            load_settings({"database": DATABASE, "pipeline_config": content})
        case "cases":
            CASES_SCHEMA(content)
        case _:
            raise ValueError("no file of Winchester looks like this")
    return kind


def kind_of(content: Any) -> str:
    """Return the name of the file, or of its part, with this shape; empty for none."""
    if isinstance(content, dict) and content:
        if set(content) <= SETTING_NAMES:
            return "settings"
        if "cases" in content:
            return "cases"
        if all(map(_is_mapping, content.values())):
            return "mappings"
        return "pipelines" if all(isinstance(each, list) for each in content.values()) else ""
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        return ""
    if content and _is_mapping(content):
        return "mapping rules"
    if all("match_criteria" in each for each in content):
        return "triggers"
    if all(isinstance(each.get("traits"), dict) and _has_fields(each) for each in content):
        return "event definitions"
    return "criteria" if all(set(each) <= set(FIRE_KEYS) for each in content) else ""


def _is_mapping(rules: Any) -> bool:
    listed = [rules] if isinstance(rules, dict) else rules
    return isinstance(listed, list) and all(
        isinstance(rule, dict) and {"drop", "timestamp", "rules"} & set(rule) for rule in listed
    )


def _has_fields(definition: dict[str, Any]) -> bool:
    traits = definition["traits"].values()
    return all(isinstance(trait, dict) and "fields" in trait for trait in traits)


def _pipelines_of(triggers: list[dict[str, Any]]) -> dict[str, list[str]]:
    names = [trait.get(key) for trait in triggers for key in PIPELINE_KEYS]
    return {name: ["logger"] for name in names if name}
