import os
import re

from kdiag.ebpf.bcc.prelude import FOLLOWING_HOOKS, PRELUDE, flags
from kdiag.ebpf.pieces import EVENTS, FOLLOWED, LOSSES


def test_every_name_of_the_text_has_its_flag() -> None:
    given = flags(7, follow_pid_offset=1264, events="ringbuf") + flags(7, events="perf_event_array")
    defined = {flag[2:].partition("=")[0] for flag in given}
    used = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", re.sub(r"/\*.*?\*/", "", PRELUDE)))
    assert {name for name in used if not name.startswith("BPF_")} <= defined


def test_in_another_pid_namespace_ids_of_this_one_mean_nothing() -> None:
    assert "-DHELPER_TGID=7" in flags(7)
    assert not any(flag.startswith("-DHELPER_TGID") for flag in flags(os.getpid()))


def test_maps_are_those_of_own_programs() -> None:
    given = flags(7, follow_pid_offset=1264, events="ringbuf")
    assert f"-DFOLLOWED_ENTRIES={FOLLOWED.max_entries}" in given
    assert f"-DLOSSES_ENTRIES={LOSSES.max_entries}" in given
    assert f"-DEVENT_PAGES={EVENTS.max_entries // os.sysconf('SC_PAGE_SIZE')}" in given
    for name in (FOLLOWED.name, LOSSES.name, EVENTS.name):
        assert re.search(rf"^BPF_\w+\({name}\b", PRELUDE, re.MULTILINE)


def test_without_following_nothing_is_followed() -> None:
    given = flags(7)
    assert "-DOWN_TGID=7" in given
    assert not [
        flag for flag in given if flag.startswith(("-DFOLLOW=", "-DOFF_PID", "-DEVENT_PAGES", "-DPERF"))
    ]


def test_an_offset_of_0_is_one() -> None:
    assert "-DOFF_PID=0" in flags(7, follow_pid_offset=0)


def test_functions_that_are_attached_are_in_the_text() -> None:
    for hook in FOLLOWING_HOOKS:
        assert f"\nint {hook.function}(" in PRELUDE
