"""Problems that `winchester plugin check` finds in an installed plugin."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.plugins import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    TRAIT_PLUGINS,
    installed_plugins,
)
from winchester_core.testing.plugin_inspection import PluginInspection, inspect_plugin

if TYPE_CHECKING:
    from conftest import Install

HANDLER = """\
class Mine(PipelineHandler):
    "Passes events on."

    example = "\\n- name: mine\\n  params: {n: 1}"
    config_schema = Schema({"n": int})

    def handle_events(self, events, env):
        return events
"""
CONDITION = """\
class Mine(Condition):
    "Matches whole numbers."

    example = "cores: {not: {mine: 3}}"
    config_schema = Schema(int)

    def matches(self, event):
        return event.get(self.trait) == self.expression
"""
SOURCE = """\
class Mine(EventSource):
    "Brings nothing."

    example = "in: {source: mine, params: {path: p}}"
    config_schema = Schema({"path": str})

    def receive(self, max_messages, timeout_seconds):
        return []
"""
TRAIT_PLUGIN = """\
class Mine(TraitPlugin):
    "Takes the first."

    example = "host: {fields: a, plugin: mine}"

    def trait_value(self, match_list):
        return match_list[0][1] if match_list else None
"""
SOUND = {
    HANDLERS: HANDLER,
    CONDITIONS: CONDITION,
    EVENT_SOURCES: SOURCE,
    TRAIT_PLUGINS: TRAIT_PLUGIN,
}
IMPORTS = "from voluptuous import Schema\nfrom winchester_core.interfaces import *\n\n"


@pytest.fixture
def inspected(install: Install) -> Any:
    """Install a plugin named `mine`, and inspect it."""

    def make(group: str, source: str) -> PluginInspection:
        install("acme", {group: {"mine": "acme_mine:Mine"}}, {"acme_mine": IMPORTS + source})
        return inspect_plugin(installed_plugins(group)["mine"])

    return make


@pytest.mark.parametrize(
    ("group", "rules", "not_checked"),
    [
        (HANDLERS, 12, None),
        (CONDITIONS, 8, None),
        (EVENT_SOURCES, 2, "deliveries, which need its origin"),
        (TRAIT_PLUGINS, 4, "values, which only its author knows"),
    ],
)
def test_a_correct_plugin_has_no_problem(
    inspected: Any, group: str, rules: int, not_checked: str | None
) -> None:
    assert inspected(group, SOUND[group]) == PluginInspection((), rules, not_checked)


@pytest.mark.parametrize("group", SOUND)
def test_every_rule_is_tested_on_something(inspected: Any, group: str) -> None:
    """Each rule is tested on the plugin's own example, so the number of rules depends on it."""
    twice = {
        HANDLERS: "\\n- mine\\n- name: mine",
        CONDITIONS: "a: {any: [{mine: 1}, {mine: 2}]}",
        EVENT_SOURCES: "a: {source: mine}\\nb: {source: mine, params: {path: p}}",
        TRAIT_PLUGINS: "a: {plugin: [mine, {name: mine}]}",
    }
    old = next(line for line in SOUND[group].splitlines() if "example =" in line)
    source = SOUND[group].replace(old, f'    example = "{twice[group]}"')
    found = inspected(group, source)

    assert found.problems == ()
    assert (
        found.rules_checked
        == {HANDLERS: 24, CONDITIONS: 8, EVENT_SOURCES: 4, TRAIT_PLUGINS: 8}[group]
    )


@pytest.mark.parametrize(
    ("group", "old", "new", "problem"),
    [
        (HANDLERS, "handle_events", "handle", "does not override the method handle_events"),
        (
            HANDLERS,
            "events, env",
            "events",
            "handle_events must be callable as handle_events(events, env), and takes (self, events",
        ),
        (HANDLERS, '"Passes events on."', "", "has no docstring"),
        (HANDLERS, "example =", "sample =", "has no example"),
        (HANDLERS, "name: mine", "name: [", "its example is not YAML"),
        (HANDLERS, "name: mine", "name: mime", "nothing there is named mine"),
        (
            HANDLERS,
            "n: 1",
            "n: one",
            "its schema rejects the parameters of its example: expected int",
        ),
        (HANDLERS, "Schema({", "dict({", "config_schema must be a voluptuous Schema; it is dict"),
        (HANDLERS, "return events", "return ()", "returned tuple instead of a list of events"),
        (
            HANDLERS,
            "    def handle_events",
            "    commit = 1\n\n    def handle_events",
            "no method c",
        ),
        (
            HANDLERS,
            "    def handle_events",
            "    def deliver(self):\n        return []\n\n    def handle_events",
            "deliver must be callable as deliver(effects), and takes (self)",
        ),
        (HANDLERS, "class Mine", "nothing_like_that\nclass Mine", "cannot be loaded"),
        (HANDLERS, "class Mine(PipelineHandler)", "def Mine()", "is not a class"),
        (CONDITIONS, "== self.expression", "> self.expression", "raised TypeError"),
        (CONDITIONS, "event.get(self.trait)", "event[self.trait]", "raised KeyError"),
        (CONDITIONS, "mine: 3", "mine: three", "its schema rejects the expression of its example"),
        (CONDITIONS, "Schema(int)", "Schema(object)", "which is not an expression"),
        (EVENT_SOURCES, ", timeout_seconds", "", "receive must be callable as receive(max_mess"),
        (EVENT_SOURCES, "source: mine", "source: mime", "nothing there is named mine"),
        (EVENT_SOURCES, "str}", "str}, extra=True", "accepts a parameter that does not exist"),
        (TRAIT_PLUGINS, " if match_list else None", "", "given [], raised IndexError"),
        (TRAIT_PLUGINS, "plugin: mine", "plugin: mime", "nothing there is named mine"),
    ],
)
def test_each_problem_is_reported(
    inspected: Any, group: str, old: str, new: str, problem: str
) -> None:
    assert old in SOUND[group]
    source = SOUND[group].replace(old, new)
    if "def Mine" in source:
        source = "def Mine():\n    pass\n"
    problems = inspected(group, source).problems

    assert any(problem in each for each in problems), problems


def test_a_handler_of_certain_events_may_ignore_others(inspected: Any) -> None:
    choosy = HANDLER.replace("return events", "return [e for e in events if e['amount'] > 3]")
    found = inspected(HANDLERS, choosy)

    assert found.problems == ()
    assert (
        found.not_checked == "runs, because it does not accept the test events: KeyError: 'amount'"
    )
    assert found.rules_checked == 7


def test_neither_commit_nor_deliver_is_called(inspected: Any) -> None:
    body = """
        def commit(self):
            raise RuntimeError("commit was called")

        def deliver(self, effects):
            raise RuntimeError("deliver was called")
    """
    acting = HANDLER + indent(dedent(body), "    ")

    assert inspected(HANDLERS, acting).problems == ()


def test_files_written_during_the_inspection_are_discarded(inspected: Any, tmp_path: Path) -> None:
    body = "open('left_behind', 'w').close(); return events"
    before = Path.cwd()

    assert inspected(HANDLERS, HANDLER.replace("return events", body)).problems == ()
    assert Path.cwd() == before
    assert not (before / "left_behind").exists()


def test_log_records_of_a_plugin_are_hidden(
    inspected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = "__import__('logging').error('hear'); return events"

    assert inspected(HANDLERS, HANDLER.replace("return events", body)).problems == ()
    assert "hear" not in caplog.text


COMMAND = """\
from cliff.command import Command

class Mine(Command):
    "Does nothing."

    def take_action(self, parsed_args):
        return 0
"""


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        (COMMAND, []),
        (COMMAND.replace('"Does nothing."', ""), ["has no docstring, which is its help"]),
        (
            "class Mine:\n    'Help.'\n    def take_action(self, args): ...",
            ["has no method get_parser: a command is a subclass of cliff's Command"],
        ),
    ],
)
def test_a_command_is_checked_for_help_and_methods(
    inspected: Any, source: str, problems: list[str]
) -> None:
    assert list(inspected(COMMANDS, source).problems) == problems
