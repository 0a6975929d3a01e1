"""Test cases of triggers, which are run in memory and compared with their expectations.

Handlers have no effect: `handle_events` is called, and `rollback` at the end, but never `commit` or
`deliver`.
"""

from winchester_core.trigger_tests.junit import junit_xml
from winchester_core.trigger_tests.runner import CaseResult, definition_problems, run_case

__all__ = ["CaseResult", "definition_problems", "junit_xml", "run_case"]
