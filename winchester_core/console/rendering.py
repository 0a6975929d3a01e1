"""Jinja environment of the pages."""

from __future__ import annotations

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from winchester_core.console import shown_text, shown_values

_FILTERS: Final = {
    "shown": shown_text.shown,
    "shown_lines": shown_text.shown_lines,
    "state_class": shown_values.state_class,
    "words": shown_values.words,
    "utc": shown_values.utc,
    "iso": shown_values.iso,
    "relative": shown_values.relative,
    "duration": shown_values.duration,
    "exact_duration": shown_values.exact_duration,
    "iso_duration": shown_values.iso_duration,
    "count_text": shown_values.count,
}


@cache
def template_environment() -> Environment:
    """Return the environment; it escapes everything, and an undefined name is an error."""
    environment = Environment(
        loader=PackageLoader("winchester_core.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment
