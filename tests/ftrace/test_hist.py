import pytest

from fixtures.recorded_tracefs import KERNELS, names, raw
from kdiag.ftrace.hist import HistKey, Histogram, parse_hist
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

FILES = [
    (kernel, name)
    for kernel in KERNELS
    for name in names(kernel)
    if name.startswith("hist.") and "refused" not in name and "trigger" not in name
]


def histogram(kernel: str, name: str) -> Histogram:
    parsed = parse_hist(raw(kernel, name), name)
    assert parsed.problems == ()
    return parsed.histograms[0]


@pytest.mark.parametrize(("kernel", "name"), FILES)
def test_every_recorded_histogram_adds_up_to_its_own_totals(kernel: str, name: str) -> None:
    parsed = parse_hist(raw(kernel, name), name)
    assert parsed.problems == ()
    assert parsed.histograms
    for each in parsed.histograms:
        assert len(each.entries) == each.entries_total
        if "nohitcount" not in name:
            assert sum(entry.values["hitcount"] for entry in each.entries) == each.hits
        assert each.active == ("paused" not in name)


def test_several_triggers_are_several_histograms() -> None:
    first, second = parse_hist(raw("7.2", "hist.two-triggers.txt")).histograms
    assert [each.keys[0].name for each in first.entries] == ["ret", "ret"]
    assert {each.keys[0].modifier for each in second.entries} == {"execname"}


def test_drops_are_told() -> None:
    assert histogram("7.2", "hist.dropped.txt").dropped == 240
    assert histogram("6.1", "hist.dropped.txt").dropped == 381


def test_every_modifier_has_the_number_behind_what_is_shown() -> None:
    def first(name: str) -> HistKey:
        return histogram("7.2", f"hist.{name}.txt").entries[0].keys[0]

    assert first("hex") == HistKey("id", "hex", "10", 16)
    assert first("log2") == HistKey("ret", "log2", "~ 2^4", None, 9, 16)
    assert first("buckets") == HistKey("count", "buckets", "~ 16-23", None, 16, 23)
    assert first("sym") == HistKey("call_site", "sym", "seq_read_iter", 0xFFFFFFFFB2A6825D)
    assert first("sym-offset").text == "damon_stat_damon_call_fn+0x10a/0x300"
    assert histogram("7.2", "hist.syscall-execname.txt").entries[0].keys == (
        HistKey("id", "syscall", "sys_exit_group", 231),
        HistKey("common_pid", "execname", "python", 232),
    )
    assert first("filtered") == HistKey("ret", "", "18446744073709551614", 18446744073709551614)


@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.2"])
def test_stacks_are_read_over_their_lines(kernel: str) -> None:
    (entry,) = histogram(kernel, "hist.stack-key.txt").entries
    assert entry.values == {"hitcount": 41}
    (key,) = entry.keys
    assert key.modifier == "stacktrace"
    assert key.frames[-1].startswith("entry_SYSCALL_64_after_hwframe+0x")
    assert 2 <= len(key.frames) <= 3


def test_a_stack_kept_in_a_field_begins_on_the_line_of_its_name() -> None:
    text = b"""\
# trigger info: hist:keys=stack.stacktrace,pid:vals=hitcount,lat:sort=lat.descending:size=2048 [active]

{ stack.stacktrace         __schedule+0x1/0x2
         schedule+0x3/0x4
, pid:         12} hitcount:          7  lat:      99000
"""
    (entry,) = parse_hist(text).histograms[0].entries
    assert entry.keys[0].frames == ("__schedule+0x1/0x2", "schedule+0x3/0x4")
    assert (entry.keys[1].value, entry.values) == (12, {"hitcount": 7, "lat": 99000})


def test_maxima_and_what_was_saved_with_them_belong_to_their_entry() -> None:
    entries = histogram("7.2", "hist.latency.sys_exit.txt").entries
    assert entries[0].maxima == {"max": "22384", "common_pid": "890", "ret": "0"}
    assert all(each.maxima for each in entries)


def test_shares_and_bars_are_no_values() -> None:
    entries = histogram("7.2", "hist.percent-graph.txt").entries
    assert entries[0].values == {"hitcount": 1}
    assert entries[-1].values["hitcount"] > 1


def test_a_name_that_looks_like_the_next_key_does_not_mislead() -> None:
    text = b"""\
# trigger info: hist:keys=comm,pid:vals=hitcount:sort=hitcount:size=2048 [active]

{ comm: a, pid:  1 } x                                    , pid:          7 } hitcount:          2
"""
    (entry,) = parse_hist(text).histograms[0].entries
    assert [key.text for key in entry.keys] == ["a, pid:  1 } x", "7"]


def test_a_key_that_the_kernel_prints_twice_in_the_trigger_is_one() -> None:
    text = b"""\
# trigger info: hist:keys=common_cpucommon_cpu:vals=hitcount:sort=hitcount:size=2048 [active]

{ common_cpu:          0 } hitcount:          7
"""
    (entry,) = parse_hist(text).histograms[0].entries
    assert [(key.name, key.value) for key in entry.keys] == [("common_cpu", 0)]


def test_an_entry_that_the_trigger_does_not_explain_is_a_problem() -> None:
    text = b"# trigger info: hist:keys=pid:vals=hitcount:size=2048 [active]\n{ comm: x } hitcount: 1\nwhat\n"
    parsed = parse_hist(text, "/t/hist")
    assert [(each.line, each.wanted) for each in parsed.problems] == [
        (2, "{ the trigger's keys } and its values"),
        (3, "a line of a histogram"),
    ]


def test_it_survives_any_input() -> None:
    sample = raw("7.2", "hist.stack-key.txt") + raw("7.2", "hist.latency.sys_exit.txt")[:600]
    holds_when_cut_anywhere(parse_hist, sample[:700])
    holds_for_any_bytes(parse_hist, sample)
