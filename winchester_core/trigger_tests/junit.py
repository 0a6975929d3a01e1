"""JUnit XML report of test results, for build servers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.trigger_tests.runner import CaseResult


def junit_xml(results: Mapping[str, Sequence[CaseResult]]) -> bytes:
    """Return the report: a test suite for each file, and a test case for each case."""
    all_results = [result for file in results.values() for result in file]
    root = Element("testsuites", _totals("winchester", all_results))
    for name, file_results in results.items():
        suite = SubElement(root, "testsuite", _totals(name, file_results))
        for result in file_results:
            _case(suite, name, result)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _totals(name: str, results: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "name": _xml_text(name),
        "tests": str(len(results)),
        "failures": str(sum(not each.passed for each in results)),
        "errors": "0",
        "time": f"{sum(each.seconds for each in results):.3f}",
    }


def _case(suite: Element, file: str, result: CaseResult) -> None:
    attributes = {
        "classname": _xml_text(file),
        "name": _xml_text(result.case.name),
        "time": f"{result.seconds:.3f}",
    }
    case = SubElement(suite, "testcase", attributes)
    if result.failures:
        message = result.failures[0].partition("\n")[0]
        failure = SubElement(case, "failure", {"message": _xml_text(message)})
        failure.text = _xml_text("\n".join(result.failures))


def _xml_text(text: str) -> str:
    return "".join(char if _is_xml(ord(char)) else f"\\u{ord(char):04x}" for char in text)


def _is_xml(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or (0x10000 <= code <= 0x10FFFF)
    )
