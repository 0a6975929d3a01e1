"""What came of cases as JUnit's XML, which build servers read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.trigger_tests.runner import CaseResult


def junit_xml(results: Mapping[str, Sequence[CaseResult]]) -> bytes:
    """The document: a suite for each file, a test case for each of its cases."""
    every = [result for file in results.values() for result in file]
    root = Element("testsuites", _totals("winchester", every))
    for name, of_file in results.items():
        suite = SubElement(root, "testsuite", _totals(name, of_file))
        for result in of_file:
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
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(each if _is_xml(ord(each)) else f"\\u{ord(each):04x}" for each in text)


def _is_xml(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or (0x10000 <= code <= 0x10FFFF)
    )
