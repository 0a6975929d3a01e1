"""`winchester plugin check`: problems of the plugins of a distribution."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import TYPE_CHECKING

from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import GROUP_NOUNS

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BROKEN_PLUGIN = """\
from voluptuous import Schema
from winchester_core.interfaces import Condition

class Lame(Condition):
    "Compares."

    example = "cores: {lame: 3}"
    config_schema = Schema(int)

    def matches(self, event):
        return event.get(self.trait, 0) > self.expression
"""


def test_every_built_in_plugin_passes(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "plugin", "check", DISTRIBUTION)
    registered = [e for e in distribution(DISTRIBUTION).entry_points if e.group in GROUP_NOUNS]

    assert (ended.status, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == len(registered)
    assert all(": OK" in line for line in ended.out.splitlines())
    assert "condition glob: OK, 8 rules checked\n" in ended.out
    assert "source jsonl: OK, 2 rules checked; not checked: deliveries, which need its" in ended.out


def test_each_problem_is_one_line(site: Site) -> None:
    site.install("winchester.conditions", "lame", "Lame", BROKEN_PLUGIN)
    ended = site.run("winchester", "plugin", "check", "Plugin.Lame")

    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("condition lame: ")
    assert "matches of Lame with the expression 3, for the trait '', raised TypeError" in (
        ended.stdout
    )
    assert "OK" not in ended.stdout


def test_a_name_registered_by_two_distributions_is_a_problem(site: Site) -> None:
    site.install("winchester.handlers", "logger", "Mine", "class Mine: ...\n")
    ended = site.run("winchester", "plugin", "check", "plugin_logger")

    assert ended.returncode == 1
    assert "handler logger: the handler 'logger' is registered more than once" in ended.stdout


def test_a_distribution_without_plugins_is_a_usage_error(
    winchester: Winchester, site: Site
) -> None:
    ended = winchester(site, "plugin", "check", "winchestre-core")
    assert (ended.status, ended.out) == (2, "")
    assert "no distribution 'winchestre-core' with plugins is installed" in ended.err
    assert "did you mean 'winchester-core'?" in ended.err
    assert winchester(site, "plugin", "check", "pytest").status == 2
