"""Expected output as files that people read; a change of them is reviewed like a change of code.

``KDIAG_WRITE_GOLDEN=1 pytest tests/report`` writes them anew, and fails so that nobody runs it so by habit.
"""

import os
from typing import Iterable

import pytest

_FOLDER = os.path.join(os.path.dirname(__file__), "golden")


def assert_golden(name: str, lines: Iterable[str]) -> None:
    """Hold some lines to the file ``golden/name``."""
    path = os.path.join(_FOLDER, name)
    text = "".join(line + "\n" for line in lines)
    if os.environ.get("KDIAG_WRITE_GOLDEN"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        pytest.fail(f"{path} was written anew: look at its diff")
    with open(path, encoding="utf-8") as file:
        assert text == file.read()
