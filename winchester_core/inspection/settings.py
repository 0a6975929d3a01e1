"""Settings as text, with secrets masked; settings that differ from their defaults come first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml

from winchester_core.config import load_settings
from winchester_core.config.settings import DECLARATIONS
from winchester_core.masking import MASK, mask_text, mask_url, masked
from winchester_core.triggers.explanation import length_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.config import Settings
    from winchester_core.config.settings import HandlerEntry


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting: its key, its description, and its value as text; None if it has no value.

    For a mapping, `value` has only the names in it, and `content` is all of it as YAML.
    """

    key: str
    description: str
    value: str | None
    content: str | None
    is_default: bool


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Return all settings; settings that differ from their defaults come first."""
    defaults = load_settings({"database": {"url": settings.database_url}})
    rows = [
        SettingRow(
            each.key,
            each.description,
            _text(name, getattr(settings, name)),
            _content(name, getattr(settings, name)),
            name not in REQUIRED and getattr(settings, name) == getattr(defaults, name),
        )
        for name, each in DECLARATIONS.items()
    ]
    return sorted(rows, key=lambda row: row.is_default)


REQUIRED: Final = frozenset({"database_url"})


def _text(name: str, value: Any) -> str | None:
    """Return the value of the setting with this field of `Settings`, with secrets masked."""
    if value is None or (value != 0 and not value):
        return None
    if name in _TEXTS:
        return _TEXTS[name](value)
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g} s"
        case timedelta():
            return length_text(value)
        case Mapping():
            return ", ".join(value)
        case list() | tuple():
            return ", ".join(mask_url(str(each)) for each in value)
    return mask_url(str(value))


def _content(name: str, value: Any) -> str | None:
    """Return a mapping that is not empty as YAML, with secrets masked; None for other values."""
    if not isinstance(value, Mapping) or not value:
        return None
    plain: dict[str, Any]
    match name:
        case "event_sources":
            plain = {
                key: {
                    "source": source.plugin_name,
                    "batch_size": source.batch_size,
                    "params": _masked_params(source.params),
                }
                for key, source in value.items()
            }
        case "pipelines":
            plain = {key: [_entry(each) for each in entries] for key, entries in value.items()}
        case _:
            plain = dict(value)
    return _yaml(plain)


def _entry(entry: HandlerEntry) -> Any:
    params = _masked_params(entry.params)
    return {"name": entry.name, "params": params} if params else entry.name


HTTP_URL: Final = re.compile(r"(?P<origin>https?://[^/\s?#]+)[/?#][^\s\"']+", re.IGNORECASE)


def _masked_params(value: Any) -> Any:
    """Return parameters of a plugin with the paths of URLs and the values of headers masked.

    Services such as Slack authenticate by a secret in the path.
    """
    match value:
        case Mapping():
            return {
                key: dict.fromkeys(item, MASK)
                if key == "headers" and isinstance(item, Mapping)
                else _masked_params(item)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_masked_params(item) for item in value]
        case str():
            return HTTP_URL.sub(rf"\g<origin>/{MASK}", mask_text(value))
    return value


def _number(noun: str) -> Callable[[Any], str]:
    return lambda value: f"{len(value):,} {noun}{'' if len(value) == 1 else 's'}"


_TEXTS: Final[Mapping[str, Callable[[Any], str]]] = {
    "trigger_definitions": _number("trigger"),
    "mapping_definitions": _number("mapping"),
    "event_definitions": lambda value: f"{_number('definition')(value.definitions)}, {value.name}",
    "metrics_listen": lambda value: "{}:{}".format(*value),
    "console_tokens": lambda value: ", ".join(f"{each.name} ({each.role})" for each in value),
}
"""Texts of the settings whose values are no plain data, by the field of `Settings`."""


def _yaml(value: Any) -> str:
    plain = json.loads(json.dumps(masked(value), default=_plain))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip()


def _plain(value: Any) -> Any:
    """Return the plain form of a value that JSON does not have."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return length_text(value) if isinstance(value, timedelta) else mask_url(str(value))
