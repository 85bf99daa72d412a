"""`kdiag doctor` as one JSON document, ``kdiag/doctor/1``."""

from typing import Any, Dict, Mapping, Optional

from kdiag.doctor.capabilities import CAPABILITIES
from kdiag.doctor.examination import Examination
from kdiag.report.json_envelope import envelope

__all__ = ["doctor_document"]


def doctor_document(
    examined: Examination, exit_code: int, *, host: Mapping[str, Any], started_ns: Optional[int]
) -> Dict[str, Any]:
    """Return the document; a capability that was not tried has ``works`` null."""
    body = {
        "capabilities": [
            {
                "id": trial.id,
                "group": CAPABILITIES[trial.id].group,
                "title": CAPABILITIES[trial.id].title,
                "works": trial.works,
                "detail": trial.detail,
                "why": trial.why,
                "enables": CAPABILITIES[trial.id].enables,
                "remedy": "" if trial.works else trial.remedy or CAPABILITIES[trial.id].remedy,
                "needs": CAPABILITIES[trial.id].needs,
                "config": CAPABILITIES[trial.id].config,
            }
            for trial in examined.trials
        ],
        "commands": [
            {
                "command": row.command,
                "mechanism": None if row.choice is None else row.choice.name,
                "gives": "" if row.choice is None else row.choice.gives,
                "passed_over": row.passed_over,
            }
            for row in examined.commands
        ],
        "facts": examined.facts,
        "others": examined.others,
        "config": {
            "source": examined.config_source,
            "tried": examined.config_tried,
            "options": {option.name: option.value for option in examined.options},
        },
        "notes": examined.notes,
        "left_behind": examined.left_behind,
    }
    return envelope(
        "doctor", body, exit_code, host=host, started_ns=started_ns, duration_s=round(examined.duration_s, 6)
    )
