"""`winchester complete`: bash completion of commands and options."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.plugins import COMMANDS, installed_plugins

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

COMPLETION_FUNCTIONS = """\
_get_comp_words_by_ref() {
    words=("${COMP_WORDS[@]}"); cur="${COMP_WORDS[COMP_CWORD]}"; prev="${COMP_WORDS[COMP_CWORD-1]}"
}
"""
"""Substitute for the functions of the package bash-completion used here."""


def _completions(script: str, *typed: str) -> set[str]:
    """Return the completions offered for these words, the last of them partial."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is absent")
    words = " ".join(f"'{word}'" for word in typed)
    program = (
        f"{COMPLETION_FUNCTIONS}\n{script}\nCOMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}\n"
        '_winchester; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        [bash, "--norc", "-c", program],
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=True,
    )
    return set(ended.stdout.split())


def test_commands_and_options_are_completed(winchester: Winchester, site: Site) -> None:
    ended = winchester(site, "complete")
    assert (ended.status, ended.err) == (0, "")
    assert {name.split()[0] for name in installed_plugins(COMMANDS)} <= _completions(
        ended.out, "winchester", ""
    )
    assert _completions(ended.out, "winchester", "rejected", "") >= {"list", "show", "retry"}
    assert _completions(ended.out, "winchester", "stream", "li") == {"list"}
    assert "--older-than" in _completions(ended.out, "winchester", "stream", "list", "--o")
    assert _completions(ended.out, "winchester", "event", "add", "--js") == {"--json"}
