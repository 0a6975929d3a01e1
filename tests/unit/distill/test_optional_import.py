from __future__ import annotations

import sys

import pytest

from winchester_core.distill import Distiller, field_path, validate_definitions
from winchester_core.errors import FieldPathError, PluginError

INSTALL = r"pip install 'winchester-core\[openstack\]'"


@pytest.fixture
def without(monkeypatch):
    """Make modules unimportable, and clear what was compiled with them."""

    def hide(*modules):
        field_path.compile_path.cache_clear()
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)

    return hide


def test_a_distiller_without_stackdistiller_names_the_package_to_install(without, trait_plugins):
    without("stackdistiller", "stackdistiller.distiller")
    with pytest.raises(PluginError, match=INSTALL):
        Distiller([], trait_plugins)


def test_a_path_beyond_keys_names_the_package_to_install(without, trait_plugins):
    without("jsonpath_rw")
    document = [{"event_type": "*", "traits": {"t": {"fields": "a.*"}}}]
    with pytest.raises(PluginError, match=INSTALL):
        validate_definitions(document, trait_plugins)


def test_an_extension_path_names_the_package_to_install(without):
    without("jsonpath_rw_ext")
    with pytest.raises(FieldPathError, match=INSTALL):
        field_path.compile_path("a.`split(., 1, 1)`")


def test_simple_definitions_need_no_optional_package(without, trait_plugins):
    without("stackdistiller", "jsonpath_rw", "jsonpath_rw_ext")
    document = [{"event_type": "*", "traits": {"t": {"fields": "payload.'a.b'[0]"}}}]
    assert validate_definitions(document, trait_plugins) == document
