"""All operations of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.console.api.actions import ACTIONS
from winchester_core.console.api.openapi import openapi_document
from winchester_core.console.api.operations import PREFIX, ApiRequest, Operation
from winchester_core.console.api.reading import READING
from winchester_core.console.logins import Logins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.console.site import Site


def _description(site: Site, _request: ApiRequest) -> dict[str, Any]:
    options = site.options
    cookie = Logins(options).login_cookie.name if options.tokens else None
    return openapi_document(OPERATIONS, login_cookie=cookie)


OPERATIONS: Final[Sequence[Operation]] = (
    *READING,
    *ACTIONS,
    Operation(
        "GET",
        f"{PREFIX}/openapi.json",
        "description",
        "Describe this API (OpenAPI 3.1)",
        _description,
        "Description",
    ),
)
"""All operations of the API."""
