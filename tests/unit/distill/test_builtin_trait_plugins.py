from __future__ import annotations

import pytest
from stackdistiller.trait_plugins import DEFAULT_PLUGINMAP, TraitPluginBase
from voluptuous import MultipleInvalid

FOUND = [
    [],
    [("p", "a.b.c")],
    [("p", "")],
    [("p", "abc")],
    [("p", 12.5)],
    [("p", {"x": "1.2"})],
    [("p", "x.y"), ("q", "z.z")],
    [("p", True), ("q", 3)],
    [("q", "on")],
]


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("split", {}),
        ("split", {"segment": 1}),
        ("split", {"segment": -1}),
        ("split", {"segment": 1, "max_split": 1}),
        ("split", {"separator": "b", "max_split": None}),
        ("split", {"separator": ", ", "segment": 7}),
        ("bitfield", {}),
        ("bitfield", {"initial_bitfield": 5, "flags": None}),
        ("bitfield", {"flags": [{"path": "p", "bit": 0}, {"path": "q", "bit": "3"}]}),
        ("bitfield", {"flags": [{"path": "q", "bit": 2, "value": "on"}]}),
        ("bitfield", {"initial_bitfield": 1, "flags": [{"path": "p", "bit": 1, "value": 1}]}),
    ],
)
def test_a_stackdistiller_plugin_gives_the_same_values(trait_plugins, name, parameters, found):
    plugin_class = trait_plugins[name]
    ours = plugin_class(**plugin_class.config_schema(parameters))
    theirs = DEFAULT_PLUGINMAP[name](**parameters)
    assert ours.trait_value(found) == theirs.trait_value(found)


def test_every_stackdistiller_plugin_is_built_in(trait_plugins):
    assert set(DEFAULT_PLUGINMAP) <= set(trait_plugins)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("split", {"segment": "1"}),
        ("split", {"separator": ""}),
        ("split", {"max_splits": 1}),
        ("bitfield", {"flags": [{"bit": 1}]}),
        ("bitfield", {"flags": [{"path": "p", "bit": -1}]}),
        ("map", {}),
        ("map", {"values": {}}),
        ("map", {"values": {"a": 1}, "case_sensitive": "no"}),
    ],
)
def test_unusable_parameters_are_refused(trait_plugins, name, parameters):
    with pytest.raises(MultipleInvalid):
        trait_plugins[name].config_schema(parameters)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ([], None),
        ([("a", "2015-01-22 10:00:00")], None),
        ([("a", "2015-01-22 10:00:00"), ("b", "2015-01-22T10:01:00.5Z")], 60.5),
        ([("a", "2015-01-22T10:01:00+01:00"), ("b", "2015-01-22 09:00:00")], 60.0),
        ([("a", "2015-01-22"), ("b", "2015-01-23"), ("c", "2015-01-24")], None),
    ],
)
def test_timedelta_returns_the_seconds_between_exactly_two_times(trait_plugins, found, seconds):
    assert trait_plugins["timedelta"]().trait_value(found) == seconds


@pytest.mark.parametrize("value", ["soon", 7, None, ["2015-01-22"]])
def test_timedelta_refuses_values_that_are_not_times(trait_plugins, value):
    with pytest.raises(ValueError):
        trait_plugins["timedelta"]().trait_value([("a", "2015-01-22"), ("b", value)])


@pytest.mark.parametrize(
    ("parameters", "value", "expected"),
    [
        ({"values": {"on": 1, "off": 0}}, "on", 1),
        ({"values": {"on": 1}}, "ON", None),
        ({"values": {"on": 1}, "default": -1}, "ON", -1),
        ({"values": {"On": 1, 7: 2}, "case_sensitive": False}, "oN", 1),
        ({"values": {"On": 1, 7: 2}, "case_sensitive": False}, 7, 2),
        ({"values": {"on": 1}, "default": "?"}, ["on"], "?"),
        ({"values": {"on": 1}}, {"on": 1}, None),
    ],
)
def test_map_returns_the_mapping_of_the_first_value(trait_plugins, parameters, value, expected):
    plugin_class = trait_plugins["map"]
    plugin = plugin_class(**plugin_class.config_schema(parameters))
    assert plugin.trait_value([("p", value), ("q", "off")]) == expected


def test_map_returns_no_trait_when_no_value_is_found(trait_plugins):
    assert trait_plugins["map"](values={"on": 1}, default=5).trait_value([]) is None


class JoinPlugin(TraitPluginBase):
    """A third-party plugin written for StackDistiller."""

    def __init__(self, glue="+", **kw):
        super().__init__(**kw)
        self.glue = glue

    def trait_value(self, match_list):
        return self.glue.join(f"{path}={value}" for path, value in match_list)


def test_a_plugin_written_for_stackdistiller_works(distill_trait):
    setting = {
        "fields": ["payload.instance_id", "payload.nope", "payload.nets[1].id"],
        "plugin": {"name": "joined", "parameters": {"glue": " & "}},
    }
    result = distill_trait(setting, {"joined": JoinPlugin})
    assert result.event["wanted"] == "payload.instance_id=instance-1 & payload.nets.[1].id=net-b"
    assert result.drops == ()
