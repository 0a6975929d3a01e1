"""A plugin without its optional dependency names the extra to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.scenes.sites import Site

HANDLERS = {
    "atompub": ("httpx", "http-out", "{url: 'https://example.org/'}"),
    "notabene": ("kombu", "rabbitmq", "{exchange: nova, queue_name: monitor.info}"),
    "webhook": ("httpx", "http-out", "{url: 'https://example.org/'}"),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_with_a_missing_extra_is_an_error_naming_it(site: Site, name: str) -> None:
    module, extra, params = HANDLERS[name]
    absent = site.write(
        f"{module}.py", f"raise ModuleNotFoundError('No module named {module}', name='{module}')\n"
    )
    site.write("pipelines.yaml", f"report: [{{name: {name}, params: {params}}}]\n")

    with_it = site.run("winchester", "check", "-c", site.config)
    without = site.run(
        "winchester", "check", "-c", site.config, environ={"PYTHONPATH": str(absent.parent)}
    )

    assert with_it.returncode == 0, with_it.stderr
    assert without.returncode == 2
    wanted = f"'{name}' needs {module}: pip install 'winchester-core[{extra}]'"
    assert wanted in without.stderr + without.stdout
