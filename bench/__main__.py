"""``python -m bench [PART ...] [--json] [--strict] [--rounds N]``."""

import argparse
import signal
import sys
from typing import List, NoReturn, Optional

from bench.claims import Claim, Report, falls_short
from bench.measure import CannotMeasure
from bench.parts import PARTS
from bench.render import as_json, machine, text_lines
from bench.rounds import Rounds


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the parts that are asked for, all by default, and print what they found."""
    parser = argparse.ArgumentParser("python -m bench", description="Measure what kdiag costs, as ratios.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 if an aim is missed or something could not be measured",
    )
    parser.add_argument("--rounds", type=int, default=11, metavar="N", help="rounds of each comparison (11)")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")

    signal.signal(signal.SIGTERM, _end)
    rounds = Rounds(options.rounds, lambda text: print(f"bench: {text}", file=sys.stderr, flush=True))
    facts = machine()
    reports = [_report(part, rounds) for part in options.parts or PARTS]
    statistic = (
        f"CPU: the least of {options.rounds} rounds taken by turns; beside it, the same from the medians."
    )
    if options.json:
        print(as_json(reports, facts, statistic))
    else:
        print("\n".join(text_lines(reports, facts, statistic)))
    short = any(falls_short(claim) for report in reports for claim in report.claims)
    return 1 if short and options.strict else 0


def _report(part: str, rounds: Rounds) -> Report:
    try:
        return PARTS[part](rounds)
    except CannotMeasure as error:
        return Report(part, part, (Claim(part, "", None, reason=str(error)),))


def _end(_number: int, _frame: object) -> NoReturn:
    """Turn SIGTERM into an exit that ends the sleeping processes first."""
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
