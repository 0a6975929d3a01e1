"""Triggers tested like code: cases run in the engine in memory, and what came is held against them.

No handler acts: of each `handle_events` is called, and `rollback` in the end; `commit` and
`deliver` are not.
"""

from winchester_core.trigger_tests.junit import junit_xml
from winchester_core.trigger_tests.runner import CaseResult, run_case

__all__ = ["CaseResult", "junit_xml", "run_case"]
