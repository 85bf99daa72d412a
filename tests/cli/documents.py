"""Taking a JSON document of kdiag apart."""

import json
import subprocess
from typing import Any, Dict, List

__all__ = ["Document", "document_of", "statuses", "table"]

Document = Dict[str, Any]


def document_of(done: "subprocess.CompletedProcess[str]") -> Document:
    """Return the document that a run printed, which is to be all that it said, and to have its exit code."""
    assert done.stderr == ""
    document: Document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"]
    assert not [each for each in document["findings"] if "a defect in kdiag" in each["because"]]
    return document


def statuses(document: Document, status: str) -> List[str]:
    """Return the findings of a status by id, with their subjects."""
    found = [each for each in document["findings"] if each["status"] == status]
    return [" ".join(filter(None, (each["id"], each["subject"]))) for each in found]


def table(document: Document, section: str) -> Document:
    """Return the first table of a section."""
    first: Document = document["tables"][section][0]
    return first
