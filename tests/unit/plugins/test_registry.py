"""Plugins are found by entry point, imported by name, and their errors are complete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import PluginError
from winchester_core.plugins import (
    CONDITIONS,
    GROUP_NOUNS,
    HANDLERS,
    PluginRegistry,
    group_noun,
    import_plugin,
    installed_plugins,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Install = Callable[..., None]

GOOD = "class Good:\n    '''A handler.'''\n"
BROKEN = "import no_such_library\n"


def test_an_installed_plugin_is_listed_without_importing_it(
    install: Install,
) -> None:
    install("acme", {HANDLERS: {"good": "acme_good:Good"}}, {"acme_good": GOOD}, "2.5")

    plugin = installed_plugins(HANDLERS)["good"]

    assert (plugin.distribution, plugin.version) == ("acme", "2.5")
    assert (plugin.group, plugin.name, plugin.value) == (HANDLERS, "good", "acme_good:Good")
    assert "acme_good" not in sys.modules


def test_only_the_requested_plugin_is_imported(install: Install) -> None:
    points = {"good": "acme_good:Good", "other": "acme_other:Good", "bad": "acme_bad:Bad"}
    modules = {"acme_good": GOOD, "acme_other": GOOD, "acme_bad": BROKEN}
    install("acme", {HANDLERS: points}, modules)

    assert import_plugin(HANDLERS, "good").__name__ == "Good"
    assert "acme_other" not in sys.modules


def test_built_in_plugins_are_entry_points_like_any_other() -> None:
    assert {"logger", "usage"} <= set(installed_plugins(HANDLERS))
    assert installed_plugins(HANDLERS)["logger"].distribution == DISTRIBUTION


def test_an_unknown_name_is_reported_with_the_nearest_and_all_installed_names() -> None:
    with pytest.raises(PluginError) as caught:
        import_plugin(HANDLERS, "loger")

    installed = ", ".join(installed_plugins(HANDLERS))
    assert str(caught.value) == (
        f"no handler is named 'loger'; did you mean 'logger'? Installed: {installed}"
    )
    assert (caught.value.group, caught.value.name) == (HANDLERS, "loger")


def test_an_unrelated_name_is_reported_with_the_installed_names_only() -> None:
    with pytest.raises(PluginError) as caught:
        import_plugin("winchester.nothing_here", "xyz")

    assert str(caught.value) == (
        "no plugin of winchester.nothing_here is named 'xyz'; installed: none; "
        "pip install the distribution that brings it"
    )


def test_an_import_failure_is_reported_with_distribution_entry_point_and_cause(
    install: Install,
) -> None:
    install("acme", {HANDLERS: {"bad": "acme_bad:Bad"}}, {"acme_bad": BROKEN}, "3.1")

    with pytest.raises(PluginError) as caught:
        import_plugin(HANDLERS, "bad")

    assert str(caught.value) == (
        "the handler 'bad' of acme 3.1 cannot be loaded: entry point 'bad = acme_bad:Bad' in "
        "winchester.handlers: ModuleNotFoundError: No module named 'no_such_library'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("assert False, 'never'", "AssertionError: never"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("1 +", "SyntaxError: invalid syntax (acme_bad.py, line 1)"),
        ("", "AttributeError: module 'acme_bad' has no attribute 'Bad'"),
    ],
)
def test_any_exception_of_an_import_is_the_reported_cause(
    install: Install, source: str, cause: str
) -> None:
    install("acme", {HANDLERS: {"bad": "acme_bad:Bad"}}, {"acme_bad": source})

    with pytest.raises(PluginError) as caught:
        import_plugin(HANDLERS, "bad")

    assert str(caught.value).endswith(f"in {HANDLERS}: {cause}")
    assert "\n" not in str(caught.value)


def test_a_name_registered_by_two_distributions_is_refused_naming_both(install: Install) -> None:
    install("acme", {HANDLERS: {"good": "acme_good:Good"}}, {"acme_good": GOOD}, "1.2")
    install("rival", {HANDLERS: {"good": "rival_good:Good"}}, {"rival_good": GOOD}, "0.9")

    with pytest.raises(PluginError) as caught:
        import_plugin(HANDLERS, "good")

    assert str(caught.value) == (
        "the handler 'good' is registered more than once, by rival 0.9 (rival_good:Good) and "
        "acme 1.2 (acme_good:Good); uninstall all but one"
    )
    assert not {"acme_good", "rival_good"} & set(sys.modules)


def test_a_conflict_is_listed_and_affects_no_other_name(install: Install) -> None:
    points = {"good": "acme_good:Good", "fine": "acme_good:Good"}
    install("acme", {HANDLERS: points}, {"acme_good": GOOD})
    install("rival", {HANDLERS: {"good": "rival_good:Good"}}, {"rival_good": GOOD})

    listed = installed_plugins(HANDLERS)["good"]

    assert {listed.distribution, *(rival.distribution for rival in listed.duplicates)} == {
        "acme",
        "rival",
    }
    assert import_plugin(HANDLERS, "fine").__name__ == "Good"


def test_the_same_name_in_another_group_is_not_a_conflict(install: Install) -> None:
    points = {HANDLERS: {"good": "acme_good:Good"}, CONDITIONS: {"good": "acme_good:Good"}}
    install("acme", points, {"acme_good": GOOD})

    assert import_plugin(HANDLERS, "good") is import_plugin(CONDITIONS, "good")


def test_a_registry_is_a_mapping_that_loads_lazily(install: Install) -> None:
    points = {"good": "acme_good:Good", "bad": "acme_bad:Bad"}
    install("acme", {CONDITIONS: points}, {"acme_good": GOOD, "acme_bad": BROKEN})
    registry = PluginRegistry(CONDITIONS)

    assert "good" in registry
    assert "bad" in registry
    assert "absent" not in registry
    assert set(registry) == set(installed_plugins(CONDITIONS))
    assert len(registry) == len(installed_plugins(CONDITIONS))
    assert "acme_good" not in sys.modules
    assert registry["good"] is import_plugin(CONDITIONS, "good")
    assert registry.get("absent") is None
    with pytest.raises(KeyError):
        registry["absent"]
    with pytest.raises(PluginError, match="no_such_library"):
        registry["bad"]


def test_a_registry_knows_aliases_of_installed_plugins(install: Install) -> None:
    install("acme", {CONDITIONS: {"good": "acme_good:Good"}}, {"acme_good": GOOD})
    registry = PluginRegistry(CONDITIONS, {"mine": "good", "gone": "absent"})

    assert registry["mine"] is registry["good"]
    assert "mine" in set(registry)
    assert "gone" not in registry


def test_every_group_has_a_noun_for_its_plugins() -> None:
    assert len(set(GROUP_NOUNS.values())) == len(GROUP_NOUNS) == 5
    assert group_noun("elsewhere.group") == "plugin of elsewhere.group"
