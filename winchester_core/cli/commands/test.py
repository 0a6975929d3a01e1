"""``winchester test``: run the test cases of triggers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import Argument, existing_config_path
from winchester_core.cli.terminal import logging_disabled
from winchester_core.errors import ConfigurationError
from winchester_core.service.exit import DONE, FAILED, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from winchester_core.config import Settings
    from winchester_core.config.cases import CaseFile
    from winchester_core.trigger_tests import CaseResult

DEFAULT_CONFIG: Final = "winchester.yaml"
FILE_MODE: Final = 0o640


class TestCommand(ConfiguredCommand):
    """Run test cases of triggers.

    A case lists events or notifications, advances of time, and the expected streams, pipeline runs,
    new events and effects. Each case starts with an empty store in memory and its own clock. No
    database is used and nothing is sent: handlers run, but their commit and deliver are not called.
    The configuration is the file that config in the file of cases names, or else the file of -c, or
    else winchester.yaml in the same directory. If results differ from the expectations, prints the
    differences with file and line, and exits with status 1.
    """

    examples = (
        "winchester test cases.yaml",
        "winchester test -c winchester.yaml cases/*.yaml --junit report.xml",
    )
    arguments = (
        Argument("files FILE", "a file of test cases", nargs="+"),
        Argument("--junit PATH", "write a report to this file, as JUnit XML"),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Run all cases of all files; return the exit status."""
        from winchester_core.config.cases import read_case_files
        from winchester_core.trigger_tests import junit_xml

        files = read_case_files(dict.fromkeys(map(Path, parsed_args.files)))
        settings = _settings_of(files, parsed_args)
        with logging_disabled(unless=parsed_args.debug):
            results = {str(each.path): _run_file(each, settings[each.path]) for each in files}
        if parsed_args.junit is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(parsed_args.junit, flags, FILE_MODE), "wb") as file:
                file.write(junit_xml(results))
        all_results = [result for file in results.values() for result in file]
        count, failed = len(all_results), sum(not each.passed for each in all_results)
        print(f"{count} case{'' if count == 1 else 's'}: {count - failed} ok, {failed} failed")
        return FAILED if failed else DONE


def _settings_of(files: Sequence[CaseFile], args: Namespace) -> dict[Path, Settings]:
    """Return the settings for each file. Raises `ConfigurationError`, `UsageError`."""
    from winchester_core.bootstrap import load_settings
    from winchester_core.trigger_tests import definition_problems

    paths = {each.path: _config_path(each, args) for each in files}
    settings = {
        path: load_settings(path, needs=["triggers", "pipelines"], ignores=["sources", "console"])
        for path in dict.fromkeys(paths.values())
    }
    problems = [
        problem
        for file in files
        for case in file.cases
        for problem in definition_problems(case, settings[paths[file.path]])
    ]
    if problems:
        raise ConfigurationError(problems)
    return {file: settings[path] for file, path in paths.items()}


def _config_path(file: CaseFile, args: Namespace) -> Path:
    if file.config is not None:
        return existing_config_path(str(file.config))
    if args.config is not None:
        return existing_config_path(args.config)
    default = file.path.with_name(DEFAULT_CONFIG)
    if not default.exists():
        raise UsageError(
            f"{file.path}: no configuration: name it in the file (config) or with -c FILE, or "
            f"create a {DEFAULT_CONFIG} in the same directory"
        )
    return default


def _run_file(file: CaseFile, settings: Settings) -> list[CaseResult]:
    from winchester_core.trigger_tests import run_case

    results = []
    print(file.path)
    for case in file.cases:
        result = run_case(case, settings)
        results.append(result)
        print(f"  {'ok' if result.passed else 'FAILED':6} {case.name}", flush=True)
        for failure in result.failures:
            print("\n".join(f"         {line}" for line in failure.splitlines()))
    return results
