"""`winchester --help`: the options, and one line per command, third-party commands included."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import SCRIPTS, TIMEOUT_SECONDS
from winchester_core.plugins import COMMANDS, describe_plugin, installed_plugins

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BASE = "from cliff.command import Command\n"


def _lines(site: Site) -> dict[str, str]:
    """Return the summary of each command by name."""
    ended = site.run("winchester", "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = ended.stdout.partition("\nCommands:\n")[2].splitlines()
    return {line[2:].partition("  ")[0]: line[2:].partition("  ")[2].strip() for line in listed}


def _third_party_command(site: Site, name: str, body: str) -> None:
    """Install a third-party command, `plugin_NAME`."""
    site.install(COMMANDS, name, "Foreign", BASE + f"class Foreign(Command):\n{body}")


def test_each_command_has_the_summary_of_its_docstring(site: Site) -> None:
    listed = _lines(site)
    for name, plugin in installed_plugins(COMMANDS).items():
        assert listed.pop(name) == describe_plugin(plugin.load()).summary.rstrip(".")
    assert set(listed) == {"complete", "help"}
    assert all(listed.values())


def test_help_command_and_option_print_the_same(site: Site) -> None:
    assert site.run("winchester", "help").stdout == site.run("winchester", "--help").stdout


def test_help_describes_one_command(winchester: Winchester, site: Site) -> None:
    explained = winchester(site, "help", "stream", "list")
    assert explained.status == 0
    assert explained.out == winchester(site, "stream", "list", "--help").out


def test_help_of_an_unknown_command_is_the_same_usage_error_as_the_command(
    winchester: Winchester, site: Site
) -> None:
    for words in (("nosuch",), ("strem", "list"), ("stream", "nosuch")):
        explained = winchester(site, "help", *words)
        assert (explained.status, explained.out) == (2, "")
        assert explained.err == winchester(site, *words).err
    assert winchester(site, "help", "--", "-x").status == 2


def test_help_lists_the_commands_of_a_group(winchester: Winchester, site: Site) -> None:
    explained = winchester(site, "help", "clock")
    assert (explained.status, explained.err) == (0, "")
    assert "  clock show\n" in explained.out


def test_a_command_without_examples_has_no_heading_for_them(
    winchester: Winchester, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winchester_core.cli.commands.check.CheckCommand.examples", ())
    assert "examples:" not in winchester(site, "check", "--help").out


def test_a_third_party_command_is_listed_with_its_distribution_without_importing_it(
    site: Site,
) -> None:
    _third_party_command(
        site, "stumble", "    '''Stumble over a stone.'''\n\nraise AssertionError\n"
    )
    assert _lines(site)["stumble"] == "Stumble over a stone (plugin_stumble)"


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("    _description = 'Stumble twice.'\n", "Stumble twice"),
        ("    '''Stumble.'''\n    _description = 'Stumble twice'\n", "Stumble twice"),
        ("    '''Stumble.'''\n    def get_description(self): return 'Fall'\n", "Fall"),
        ("    '''Stumble\n    and fall.\n\n    At length.\n    '''\n", "Stumble and fall"),
        ("    pass\n", ""),
        ("    _description: str = 'Stumble twice'\n", "Stumble twice"),
    ],
)
def test_a_third_party_command_may_describe_itself_like_any_cliff_command(
    site: Site, body: str, summary: str
) -> None:
    _third_party_command(site, "stumble", body + "    def take_action(self, parsed_args): pass\n")
    assert _lines(site)["stumble"] == f"{summary} (plugin_stumble)".strip()


def test_a_deprecated_command_is_not_listed(site: Site) -> None:
    _third_party_command(
        site,
        "stumble",
        "    '''Stumble.'''\n    deprecated = True\n    def take_action(self, parsed_args): pass\n",
    )
    assert "stumble" not in _lines(site)


def test_an_unusable_command_is_listed_with_the_cause(site: Site) -> None:
    site.install(COMMANDS, "absent", "Absent", "import nothing_like_that\n")
    _third_party_command(site, "abstract", "    pass\n")
    site.install(COMMANDS, "check", "Check", "class Check:\n    '''Check.'''\n")
    listed = _lines(site)
    assert listed["absent"].startswith("cannot be used: the command 'absent' of plugin_absent 1.0")
    assert "No module named 'nothing_like_that'" in listed["absent"]
    assert listed["abstract"].startswith("cannot be used: TypeError: ")
    assert listed["check"].startswith("cannot be used: the command 'check' is registered more")
    assert listed["plan"]


def test_command_hooks_are_found(site: Site) -> None:
    site.install(
        f"{COMMANDS}.check",
        "note",
        "Note",
        """\
        from cliff.hooks import CommandHook

        class Note(CommandHook):
            def get_parser(self, parser): return parser
            def get_epilog(self): return "a note"
            def before(self, parsed_args):
                print("before")
                return parsed_args
            def after(self, parsed_args, return_code): return return_code
        """,
    )
    assert site.run("winchester", "check", "--help").stdout.endswith("\n\na note\n")
    checked = site.run("winchester", "check", "-c", str(site.config))
    assert checked.stdout.splitlines()[0] == "before"


def test_help_uses_a_pager_on_a_terminal(site: Site) -> None:
    mine, theirs = os.openpty()
    environ = site.environ({"PAGER": "cat", "TERM": "xterm"})
    with (
        os.fdopen(mine, "rb") as terminal,
        subprocess.Popen(
            [SCRIPTS / "winchester", "--help"], env=environ, stdin=theirs, stdout=theirs
        ) as process,
    ):
        os.close(theirs)
        shown = bytearray()
        try:
            while part := os.read(terminal.fileno(), 65536):
                shown += part
        except OSError:  # how Linux reports that the other side is closed
            pass
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert "\033[36mcheck" in shown.decode()
