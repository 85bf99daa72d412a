from bench.breakdown import Import, dearest, parse_importtime

# python3 -X importtime (Python 3.11), with a line that the program itself wrote.
IMPORTTIME = """\
import time: self [us] | cumulative | imported package
import time:       120 |        120 |   _io
import time:       300 |        420 | zipimport
a warning
import time:        40 |         40 |     enum
import time:        60 |        100 |   re
"""


def test_each_module_has_its_own_time_and_that_with_its_imports() -> None:
    assert parse_importtime(IMPORTTIME) == {
        "_io": Import(120, 120),
        "zipimport": Import(300, 420),
        "enum": Import(40, 40),
        "re": Import(60, 100),
    }


def test_what_every_python_imports_is_not_counted_and_the_rest_is_ranked_by_its_share() -> None:
    runs = [
        {"site": Import(500, 500), "re": Import(cost, cost + 25), "enum": Import(25, 25)}
        for cost in (80, 75, 70)
    ]
    assert dearest(runs, {"site": Import(1, 1)}, 5) == [
        ("re", 75.0, 100.0),
        ("enum", 25.0, 25.0),
    ]


def test_only_the_dearest_are_listed() -> None:
    run = {name: Import(cost, cost) for cost, name in enumerate("abcd", 1)}
    assert [module for module, _, _ in dearest([run], {}, 2)] == ["d", "c"]
