"""JUnit XML is well-formed for any case name and any failure."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from winchester_core.config.cases import Case
from winchester_core.trigger_tests import CaseResult, junit_xml


def result(name: str, *failures: str) -> CaseResult:
    return CaseResult(Case(name, None, (), "cases.yaml:1"), failures, 0.25)


def test_each_file_is_a_suite_and_each_case_a_test() -> None:
    document = junit_xml({"a.yaml": [result("one"), result("two", "x: y\n  z", "more")], "b": []})
    root = fromstring(document)
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")
    first, second = root.findall("testsuite")
    assert (first.get("name"), first.get("tests"), first.get("time")) == ("a.yaml", "2", "0.500")
    assert second.get("tests") == "0"
    one, two = first.findall("testcase")
    assert (one.get("classname"), one.get("name"), len(one)) == ("a.yaml", "one", 0)
    (failure,) = two.findall("failure")
    assert (failure.get("message"), failure.text) == ("x: y", "x: y\n  z\nmore")


def test_characters_invalid_in_xml_are_escaped() -> None:
    document = junit_xml({"a": [result("<\0&\ud800>", "\x1b[31m \N{GRINNING FACE}")]})
    (case,) = fromstring(document).iter("testcase")
    assert case.get("name") == "<\\u0000&\\ud800>"
    assert case[0].text == "\\u001b[31m \N{GRINNING FACE}"
