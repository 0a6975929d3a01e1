"""Validation of the pipelines document, and errors of unusable handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.plugins import HANDLERS, installed_plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ConfigDir

HANDLER = """
    from voluptuous import Any as AnyOf
    from voluptuous import Invalid, Optional, Required, Schema
    from winchester_core.interfaces import json_schema


    def port(value):
        if isinstance(value, int):
            return value
        raise Invalid(f"expected a port, not {value}")


    QUEUE = Schema({"name": str})


    @json_schema(AnyOf(str, QUEUE))
    def queue(value):
        return QUEUE({"name": value} if isinstance(value, str) else value)


    class Sender:
        config_schema = Schema(
            {
                Required("host"): str,
                Optional("port", default=5672): port,
                Optional("password"): port,
                Optional("tls", default={}): {"verify": bool, "ca_file": str},
                Optional("queue"): queue,
            }
        )

        def handle_events(self, events, env): return events
        def commit(self): pass
        def rollback(self): pass


    class Bare:
        def handle_events(self, events, env): return events
        def commit(self): pass
        def rollback(self): pass


    class Halved:
        def handle_events(self, events, env): return events


    class Careless(Bare):
        def config_schema(params): raise ZeroDivisionError("oops")


    class Exiting(Bare):
        def config_schema(params): raise SystemExit("unsupported")


    def factory(**params): return Bare()
    number = 5
"""
POINTS = {
    name: f"acme_handlers:{attribute}"
    for name, attribute in {
        "sender": "Sender",
        "bare": "Bare",
        "halved": "Halved",
        "careless": "Careless",
        "exiting": "Exiting",
        "factory": "factory",
        "number": "number",
    }.items()
}


@pytest.fixture
def acme(install: Callable[..., None]) -> None:
    install("acme", {HANDLERS: POINTS}, {"acme_handlers": HANDLER}, "1.4")


def pipelines(config: ConfigDir, content: str, settings: str = "", **options: Any) -> Any:
    config.write("pipelines.yaml", content)
    return config.settings(f"pipeline_config: pipelines.yaml\n{settings}", **options).pipelines


def problems(config: ConfigDir, content: str, settings: str = "", **options: Any) -> list[str]:
    config.write("pipelines.yaml", content)
    found = config.problems(f"pipeline_config: pipelines.yaml\n{settings}", **options)
    return [line.removeprefix("pipelines.yaml:") for line in found]


@pytest.mark.usefixtures("acme")
def test_a_handler_receives_params_completed_by_its_schema(config: ConfigDir) -> None:
    read = pipelines(config, "p:\n  - name: sender\n    params: {host: a}\n  - bare\n")

    sender, bare = read["p"]
    assert (sender.name, sender.plugin_name) == ("sender", "sender")
    assert sender.handler_class.__name__ == "Sender"
    assert sender.params == {"host": "a", "port": 5672, "tls": {}}
    assert (bare.name, bare.params) == ("bare", {})


@pytest.mark.usefixtures("acme")
def test_any_object_with_the_methods_is_a_handler(config: ConfigDir) -> None:
    content = "p:\n  - name: bare\n    params: {any: thing}\n  - factory\nempty: []\n"

    read = pipelines(config, content)

    assert [entry.params for entry in read["p"]] == [{"any": "thing"}, {}]
    assert read["empty"] == ()


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("sender", "2:5: p[0].params.host: is missing"),
        ("{name: sender, params: {}}", "2:28: p[0].params.host: is missing"),
        ("{name: sender, params: {host: 5}}", "2:35: p[0].params.host: expected text, not 5"),
        (
            "{name: sender, params: {host: a, prot: 5}}",
            "2:38: p[0].params.prot: unknown key 'prot'; did you mean 'port'?",
        ),
        (
            "{name: sender, params: {host: a, tls: {verfy: yes}}}",
            "2:44: p[0].params.tls.verfy: unknown key 'verfy'; did you mean 'verify'?",
        ),
        (
            "{name: sender, params: {host: a, queue: {nam: q}}}",
            "2:46: p[0].params.queue.nam: unknown key 'nam'; did you mean 'name'?",
        ),
        (
            "{name: sender, params: {host: a, port: x}}",
            "2:44: p[0].params.port: expected a port, not x",
        ),
        (
            "{name: sender, params: {host: a, password: hunter2}}",
            "2:48: p[0].params.password: expected a port, not ***",
        ),
        (
            "{name: sender, params: [host]}",
            "2:28: p[0].params: expected a mapping, not a list",
        ),
        (
            "{name: logger, params: {level: loud}}",
            (
                "2:36: p[0].params.level: value must be one of ['CRITICAL', 'DEBUG', 'ERROR', "
                "'INFO', 'WARNING'], not 'loud'"
            ),
        ),
        (
            "halved",
            (
                "2:5: p[0]: the handler 'halved' of acme 1.4 (acme_handlers:Halved) has no method "
                "commit and no method rollback"
            ),
        ),
        (
            "number",
            "2:5: p[0]: the handler 'number' of acme 1.4 (acme_handlers:number) is not a class",
        ),
        (
            "careless",
            (
                "2:5: p[0].params: the schema of the handler 'careless' failed: "
                "ZeroDivisionError: oops"
            ),
        ),
        (
            "exiting",
            (
                "2:5: p[0].params: the schema of the handler 'exiting' failed: "
                "SystemExit: unsupported"
            ),
        ),
        (
            "5",
            "2:5: p[0]: expected the name of a handler, or a mapping of 'name' and 'params', not 5",
        ),
        (
            "{name: bare, parms: {}}",
            "2:18: p[0].parms: unknown key 'parms'; did you mean 'params'?",
        ),
        ("{params: {}}", "2:5: p[0].name: is missing"),
    ],
)
def test_each_error_of_a_handler_entry_is_reported(
    config: ConfigDir, entry: str, problem: str
) -> None:
    assert problems(config, f"p:\n  - {entry}\n") == [problem]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- logger\n", "1:1: expected a mapping, not a list"),
        ("p: logger\n", "1:4: p: expected a list of handlers, not 'logger'"),
        ("p:\n", "1:3: p: expected a list of handlers, not nothing"),
        ("p: [logger]\np: [usage]\n", "2:1: p: duplicate key, first on line 1"),
    ],
)
def test_a_pipelines_document_maps_names_to_lists(
    config: ConfigDir, content: str, problem: str
) -> None:
    assert problems(config, content) == [problem]


def test_an_unknown_handler_is_reported_with_the_nearest_name(config: ConfigDir) -> None:
    assert problems(config, "p:\n  - name: loger\n") == [
        (
            "2:11: p[0].name: no handler is named 'loger'; did you mean 'logger'? "
            f"Installed: {', '.join(installed_plugins(HANDLERS))}"
        )
    ]


def test_a_handler_that_fails_to_import_is_reported_with_its_cause(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    install("acme", {HANDLERS: {"bad": "acme_bad:Bad"}}, {"acme_bad": "import no_such_library"})

    assert problems(config, "p: [logger, bad]\n") == [
        (
            "1:13: p[1]: the handler 'bad' of acme 1.0 cannot be loaded: entry point "
            "'bad = acme_bad:Bad' in winchester.handlers: ModuleNotFoundError: No module named "
            "'no_such_library'"
        )
    ]


def test_a_handler_name_registered_by_two_distributions_is_refused(
    config: ConfigDir, install: Callable[..., None]
) -> None:
    install("acme", {HANDLERS: {"twice": "acme_one:A"}})
    install("rival", {HANDLERS: {"twice": "rival_one:B"}}, version="2.0")

    assert problems(config, "p: [twice]\n") == [
        (
            "1:5: p[0]: the handler 'twice' is registered more than once, by rival 2.0 "
            "(rival_one:B) and acme 1.0 (acme_one:A); uninstall all but one"
        )
    ]
    assert [entry.name for entry in pipelines(config, "p: [logger]\n")["p"]] == ["logger"]


@pytest.mark.usefixtures("acme")
def test_an_alias_stands_for_an_entry_point(config: ConfigDir) -> None:
    (entry,) = pipelines(config, "p: [mine]\n", "pipeline_handlers: {mine: bare}\n")["p"]

    assert (entry.name, entry.plugin_name) == ("mine", "bare")


def test_a_class_path_of_the_older_system_is_accepted_with_a_warning(
    config: ConfigDir, caplog: pytest.LogCaptureFixture
) -> None:
    config.write("pipelines.yaml", "p: [log, usage]\n")
    settings = config.settings(
        """\
        pipeline_config: pipelines.yaml
        pipeline_handlers:
          log: winchester.pipeline_handler:LoggingHandler
          usage: winchester.pipeline_handler:UsageHandler
        """
    )

    assert [entry.plugin_name for entry in settings.pipelines["p"]] == ["logger", "usage"]
    assert [line.removeprefix(f"{config.path}/") for line in settings.warnings] == [
        (
            "winchester.yaml:4:8: pipeline_handlers.log: "
            "'winchester.pipeline_handler:LoggingHandler' is a class path of the older system; "
            "the handler 'logger' is used instead: replace the path with 'logger'"
        ),
        (
            "winchester.yaml:5:10: pipeline_handlers.usage: "
            "'winchester.pipeline_handler:UsageHandler' is a class path of the older system; "
            "the handler 'usage' is used instead: replace the path with 'usage'"
        ),
    ]
    assert [record.getMessage() for record in caplog.records] == list(settings.warnings)


def test_any_other_class_path_is_refused_with_the_entry_point_to_declare(config: ConfigDir) -> None:
    assert config.problems("pipeline_handlers: {mine: 'acme.handlers:Mine'}\n") == [
        (
            "winchester.yaml:2:27: pipeline_handlers.mine: 'acme.handlers:Mine' is the path of a "
            "class; a handler is named by its entry point. In the setup.cfg of its package, under "
            "[options.entry_points], declare 'winchester.handlers = mine = acme.handlers:Mine' "
            "(name and path indented on a separate line), install the package, "
            "and write 'mine' here"
        )
    ]
    assert config.problems("distiller_trait_plugins: {test: 'a.b:Test'}\n") == [
        (
            "winchester.yaml:2:33: distiller_trait_plugins.test: 'a.b:Test' is the path of a "
            "class; a trait plugin is named by its entry point. In the setup.cfg of its package, "
            "under [options.entry_points], declare 'winchester.trait_plugins = test = a.b:Test' "
            "(name and path indented on a separate line), install the package, "
            "and write 'test' here"
        )
    ]


def test_an_alias_of_a_missing_plugin_matters_only_where_it_is_used(
    config: ConfigDir,
) -> None:
    aliases = "pipeline_handlers: {far: far_away, log: logger}\n"
    config.write("pipelines.yaml", "p: [logger]\n")

    settings = config.settings(f"pipeline_config: pipelines.yaml\n{aliases}")

    assert [line.removeprefix(f"{config.path}/") for line in settings.warnings] == [
        (
            "winchester.yaml:3:26: pipeline_handlers.far: no handler 'far_away' is installed; no "
            "pipeline uses it"
        )
    ]
    assert problems(config, "p: [far]\n", aliases) == [
        (
            f"1:5: p[0]: no handler is named 'far_away'; installed: "
            f"{', '.join(installed_plugins(HANDLERS))}; pip install the distribution that brings it"
        )
    ]


@pytest.mark.usefixtures("acme")
def test_a_variable_in_params_is_text_unless_the_schema_requires_otherwise(
    config: ConfigDir,
) -> None:
    content = """p: [{name: sender, params: {host: "${HOST}", port: "${PORT}"}}]"""

    (entry,) = pipelines(config, content, environ={"HOST": "42", "PORT": "5673"})["p"]

    assert (entry.params["host"], entry.params["port"]) == ("42", 5673)


RECEIVERS = """
    from voluptuous import Schema


    class Several:
        config_schema = Schema({"to": object})

        @classmethod
        def effect_receivers(cls, params):
            return params["to"]

        def handle_events(self, events, env): return events
        def commit(self): pass
        def rollback(self): pass
        def deliver(self, effects): ...
"""


@pytest.fixture
def several(install: Callable[..., None]) -> None:
    points = {"several": "acme_several:Several", "several:b": "acme_several:Several"}
    install("acme", {HANDLERS: points}, {"acme_several": RECEIVERS}, "1.4")


@pytest.mark.usefixtures("several")
def test_a_handler_declares_the_receivers_of_its_effects(config: ConfigDir) -> None:
    config.write("pipelines.yaml", "p: [{name: several, params: {to: [mail, chat-1]}}]\n")
    (entry,) = config.settings("pipeline_config: pipelines.yaml").pipelines["p"]
    assert entry.receivers == ("mail", "chat-1")


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("to", ["[a, a]", "['']", "['a b']", "['a:b']", f"[{'a' * 65}]"])
def test_invalid_names_of_receivers_are_reported(config: ConfigDir, to: str) -> None:
    config.write("pipelines.yaml", f"p:\n  - {{name: several, params: {{to: {to}}}}}\n")
    assert config.problems("pipeline_config: pipelines.yaml") == [
        (
            "pipelines.yaml:2:5: p[0]: effect_receivers of the handler 'several' returned names "
            "that are not unique, or not of 1 to 64 letters, digits and . _ -"
        )
    ]


@pytest.mark.usefixtures("several")
def test_a_handler_must_not_have_the_name_of_a_receiver(config: ConfigDir) -> None:
    content = """
        p:
          - {name: several, params: {to: [a, b]}}
          - {name: 'several:b', params: {to: []}}
    """
    config.write("pipelines.yaml", content)
    (problem,) = config.problems("pipeline_config: pipelines.yaml")
    assert "p[1].name: the name 'several:b' is also that of a receiver" in problem
