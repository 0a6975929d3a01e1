"""Jinja environment of the pages."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from winchester_core.console import shown_text, shown_values
from winchester_core.console.frame import Frame, HealthSummary
from winchester_core.console.identity import identity_of
from winchester_core.console.paths import event_path, trigger_path
from winchester_core.console.requests import csrf_token_of
from winchester_core.console.static_files import versioned
from winchester_core.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from winchester_core.model.statistics import Replica

NO_COUNTS: Final[Mapping[str, int]] = MappingProxyType({})
MAX_SHOWN_COUNT: Final = 999
"""Maximum number beside a section."""
UNKNOWN_HEALTH: Final = HealthSummary("unknown", "Health unknown")

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
    "progress_numbers": shown_values.progress_numbers,
    "error_line": shown_values.error_line,
    "with_times": shown_values.with_times,
    "count_of": shown_values.count_of,
    "capital": shown_values.capital,
    "event_path": event_path,
    "trigger_path": trigger_path,
    "versioned": versioned,
    "pair": lambda value: (str(value), shown_values.words(value)),
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


def render(
    request: Request,
    template: str,
    *,
    section: str = "",
    health: HealthSummary = UNKNOWN_HEALTH,
    counts: Mapping[str, int] = NO_COUNTS,
    alarming: frozenset[str] = frozenset(),
    replica: Replica | None = None,
    status_code: int = 200,
    **context: Any,
) -> HTMLResponse:
    """Return the page of `template` with `context`, in the frame of the console."""
    identity = identity_of(request)
    has_name = identity is not None and identity.credential != "none"
    frame = Frame(
        root=request.scope["root_path"],
        section=section,
        health=health,
        csrf_token=csrf_token_of(request),
        version=version(DISTRIBUTION),
        user=identity.name if identity is not None and has_name else "",
        role=identity.role if identity is not None and has_name else "",
        read_only=identity is None or not identity.may_act,
        counts={key: shown_values.count(number, MAX_SHOWN_COUNT) for key, number in counts.items()},
        alarming=alarming,
        replica=replica,
    )
    page = template_environment().get_template(template)
    return HTMLResponse(page.render(frame=frame, **context), status_code)
