"""The URL of a stream that handlers get is that of a page of the console."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from starlette.routing import Match

from support.builders.events import NOON
from winchester_core.bootstrap.definitions import worker_options
from winchester_core.config import load_settings
from winchester_core.console.options import ConsoleOptions
from winchester_core.console.pages.routes import page_routes
from winchester_core.console.pages.stream import stream_page
from winchester_core.model.stream import Reason
from winchester_core.pipelines import StreamInfo


@pytest.mark.parametrize(
    "public_url", ["https://site.example.org", "https://site.example.org:8443/a/winchester/"]
)
def test_the_url_in_env_is_that_of_the_page(public_url: str) -> None:
    token = {"name": "anna", "role": "operator", "token": "t" * 32}
    section = {"public_url": public_url, "tokens": [token]}
    settings = load_settings({"database": {"url": "sqlite://"}, "console": section})
    root = worker_options(settings).console_root

    url = StreamInfo(7, "t", {}, Reason.FIRE, 1, NOON, root).url

    assert url is not None
    assert url == f"{public_url.rstrip('/')}/streams/7"
    path = urlsplit(url).path.removeprefix(ConsoleOptions.of(settings).prefix)
    scope = {"type": "http", "method": "GET", "path": path}
    route = next(each for each in page_routes() if each.matches(scope)[0] is Match.FULL)
    assert route.endpoint is stream_page
    assert route.matches(scope)[1]["path_params"] == {"id": "7"}
