"""What each command does: open the host, look, print. Rendering is imported when it is used."""

from typing import Dict, Optional

from kdiag.health.check import Thresholds
from kdiag.health.checks import CHECKS
from kdiag.host.base import Host

__all__ = ["RUNNERS", "Failed", "run_explain", "run_files", "run_record"]


class Failed(Exception):
    """A command could not do what was asked; the message names what, where and what to do."""


def _thresholds(path: Optional[str], host: Host) -> Thresholds:
    """Return the site's overrides (for a live host) with those of ``path`` over them."""
    from kdiag.health.thresholds import BadThreshold, parse_thresholds
    from kdiag.host.settings import SITE_THRESHOLDS, read_settings

    merged: Dict[str, Dict[str, float]] = {}
    files = [(SITE_THRESHOLDS, True)] if host.kind == "live" else []
    files += [(path, False)] if path is not None else []
    for name, optional in files:
        try:
            text = read_settings(name, optional)
            overrides = parse_thresholds(text, name, CHECKS) if text is not None else {}
        except (OSError, ValueError, BadThreshold) as error:
            raise Failed(f"thresholds: {error}") from None
        for check_id, values in overrides.items():
            merged.setdefault(check_id, {}).update(values)
    return merged
