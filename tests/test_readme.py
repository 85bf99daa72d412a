"""The README keeps up with the code: every check, section, exit code and command that it lists is there."""

from pathlib import Path

from kdiag.cli.commands import command_names
from kdiag.cli.options import SNAPSHOT
from kdiag.health.check import Check
from kdiag.health.checks import CHECKS
from kdiag.health.tables import TABLES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def row(check: Check) -> str:
    limits = ", ".join(f"{name} {value:g}" for name, value in check.thresholds.items())
    return f"| `{check.id}` | {check.title} | {limits or '-'} |"


def test_every_check_is_listed_with_its_thresholds() -> None:
    listed = [line for line in README.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert listed == [row(check) for check in CHECKS]


def test_every_section_command_and_option_is_named() -> None:
    for table in TABLES:
        assert f"`{table.section}`" in README
    for name in command_names():
        assert f"kdiag {name}" in README
    for option in SNAPSHOT:
        if option.flag != "--debug":
            assert option.flag in README
