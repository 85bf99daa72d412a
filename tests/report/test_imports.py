import os
import subprocess
import sys

import pytest

import kdiag

_ROOT = os.path.dirname(os.path.dirname(kdiag.__file__))
_HEAVY = {"json", "tabulate", "textwrap", "unicodedata", "datetime", "dataclasses", "click", "inspect"}


@pytest.mark.parametrize("module", ["snapshot_text", "nagios"])
def test_what_is_printed_on_a_sick_host_needs_nothing_heavy(module: str) -> None:
    """Without site, for that of a development install loads much that a plain one does not."""
    code = (
        f"import sys; sys.path.insert(0, {_ROOT!r}); import kdiag.report.{module};"
        f"print(*sorted(set(sys.modules) & {_HEAVY!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_markdown_and_json_load_their_libraries_only_when_they_write() -> None:
    code = (
        f"import sys; sys.path.insert(0, {_ROOT!r});"
        "import kdiag.report.snapshot_markdown, kdiag.report.json_envelope, kdiag.report.listing;"
        f"print(*sorted(set(sys.modules) & {_HEAVY!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
