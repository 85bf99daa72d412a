"""Recordings and copies that somebody else made, of hosts that are strange, broken, hostile or huge."""

import json
import os
import re
import time
from pathlib import Path
from typing import Callable, Tuple

import pytest

from kdiag.cli import main
from kdiag.cli import run as runner
from kdiag.health.record import record
from kdiag.host.base import Facts, FileSystemSize
from kdiag.host.memory import MemoryHost
from tests.cli.documents import Document, statuses, table
from tests.health.overlay import Overlay, host_of, quiet_files, quiet_overlay


def recorded(host: MemoryHost, folder: Path) -> str:
    record(host, str(folder), 1.0)
    return str(folder)


def snapshot_of(root: str, capsys: pytest.CaptureFixture[str], *words: str) -> Document:
    code = main(["--root", root, "--json", *words])
    output = capsys.readouterr()
    assert output.err == ""
    document: Document = json.loads(output.out)
    assert code == document["exit_code"]
    return document


def test_a_copy_whose_files_are_empty_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``tar`` and ``rsync`` copy by size, and every file of /proc has the size 0."""
    for path in quiet_files()[0]:
        if path.startswith("/proc/"):
            place = tmp_path / path[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    document = snapshot_of(str(tmp_path), capsys)
    assert document["exit_code"] == 3
    assert {each["status"] for each in document["findings"]} == {"unknown"}
    assert document["not_applicable"] == []
    values = [
        value
        for tables in document["tables"].values()
        for each in tables
        for row in each["rows"]
        for value in row.values()
    ]
    assert not [value for value in values if isinstance(value, (int, float))]


def test_what_is_no_regular_file_in_a_recording_is_told_and_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(recorded(host_of(quiet_overlay()), tmp_path / "odd"))
    for name in ("root/proc/meminfo", "root/proc/version", "root/proc/loadavg"):
        (root / name).unlink()
    os.mkfifo(root / "root/proc/meminfo")
    (root / "root/proc/version").symlink_to("/etc/shadow")
    with (root / "root/proc/loadavg").open("wb") as file:
        file.truncate(1 << 40)
    started_s = time.monotonic()
    document = snapshot_of(str(root), capsys)
    assert time.monotonic() - started_s < 2
    kinds = {each["path"]: each["kind"] for each in document["incomplete"]["failures"]}
    odd = ("/proc/meminfo", "/proc/version", "/proc/loadavg")
    assert [kinds[path] for path in odd] == ["timed_out", "error", "error"]
    assert "mem.available" in statuses(document, "unknown")
    assert "cpu.load" in statuses(document, "unknown")


def test_a_host_of_another_kind_is_read_by_its_own_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Facts(1024, 65536, "big", 1_700_000_000_000_000_000, 1000, 0)
    overlay = quiet_overlay()
    stranger = MemoryHost(
        overlay.moments, facts=facts, sizes=overlay.sizes, file_systems=overlay.file_systems
    )
    root = recorded(stranger, tmp_path / "stranger")

    def forbidden(*arguments: object) -> None:
        raise AssertionError("asked the machine that replays")

    for name in ("cpu_count", "geteuid", "sysconf", "uname"):
        monkeypatch.setattr(os, name, forbidden)
    document = snapshot_of(root, capsys)
    shown = {row["pid"]: row for row in table(document, "top")["rows"]}
    fields = overlay.moments[1]["/proc/1000/stat"]
    assert isinstance(fields, bytes)
    columns = fields.rsplit(b") ", 1)[1].split()
    earlier = overlay.moments[0]["/proc/1000/stat"]
    assert isinstance(earlier, bytes)
    before = earlier.rsplit(b") ", 1)[1].split()
    ticks = sum(int(columns[each]) - int(before[each]) for each in (11, 12))
    assert shown[1000]["rss_kib"] == int(columns[21]) * 64
    assert shown[1000]["cpu_pct"] == pytest.approx(100 * ticks / 1024, rel=0.02)


def _reboot(overlay: Overlay) -> None:
    last = overlay.moments[1]
    last["/proc/uptime"] = b"12.00 20.00\n"
    last["/proc/sys/kernel/random/boot_id"] = b"c0ffee00-0000-4000-8000-000000000000\n"


def _counters_went_back(overlay: Overlay) -> None:
    first, last = overlay.moments
    for path in ("/proc/vmstat", "/proc/net/dev", "/proc/net/snmp", "/proc/net/netstat"):
        content = first[path]
        assert isinstance(content, bytes)
        last[path] = re.sub(
            rb"(?<![\w.])\d{2,}(?![\w.])", lambda found: b"%d" % (int(found[0]) // 3), content
        )


def _cpu_went_away(overlay: Overlay) -> None:
    last = overlay.moments[1]
    stat = last["/proc/stat"]
    assert isinstance(stat, bytes)
    last["/proc/stat"] = b"\n".join(line for line in stat.split(b"\n") if not line.startswith(b"cpu1 "))
    last["/sys/devices/system/cpu/online"] = b"0\n"


@pytest.mark.parametrize("change", [_reboot, _counters_went_back, _cpu_went_away])
def test_no_false_rate_comes_of_what_broke_off_between_the_readings(
    change: Callable[[Overlay], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = quiet_overlay()
    change(overlay)
    document = snapshot_of(recorded(host_of(overlay), tmp_path / "broken"), capsys, "--per-cpu")
    assert not set(statuses(document, "warning") + statuses(document, "critical"))
    for tables in document["tables"].values():
        for each in tables:
            if "rate" in each["basis"]:
                rates = [
                    value
                    for row in each["rows"]
                    for field, value in row.items()
                    if field.endswith(("_per_s", "_pct")) and value is not None
                ]
                assert all(0 <= value < 1e6 for value in rates), each["title"]
    if change is _reboot:
        assert "the host was rebooted between the readings: rates are dropped" in document["notes"]
        assert not any("rate over" in each["basis"] for each in document["findings"])


# Names and numbers beyond all measure.

NAMES: Tuple[bytes, ...] = (
    b"a) R 1 (b\nc",
    b"\x1b[2J\x1b]0;owned\x07",
    b"<script>alert(1)</script>",
    b"a|b;c=d'e\"f",
    "\u202eexe.txt \u6728".encode(),
    b"\xff\xfe\x80",
    b"`rm`$(rm) [x](http://y) ~*_#",
)


def _escaped(name: bytes) -> bytes:
    """Write a mount point as /proc/self/mountinfo does (fs/proc_namespace.c, mangle)."""
    return re.sub(rb"[ \t\n\\#]", lambda found: b"\\%03o" % found[0][0], name)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a recording in which tasks, mounts, disks, interfaces and the host itself bear such names."""
    overlay = quiet_overlay()
    roomless = FileSystemSize(4096, 1_000_000, 5_000, 1_000, 1_000, 5, 5)
    for moment in overlay.moments:
        stat, devices, mounts = (
            moment["/proc/412/stat"],
            moment["/proc/net/dev"],
            moment["/proc/self/mountinfo"],
        )
        assert isinstance(stat, bytes) and isinstance(devices, bytes) and isinstance(mounts, bytes)
        blocked = stat.rsplit(b") ", 1)[1].replace(b"S 1 ", b"D 1 ", 1)
        for number, name in enumerate(NAMES):
            moment[f"/proc/{7000 + number}/stat"] = b"%d (%s) %s" % (7000 + number, name, blocked)
            moment[f"/proc/{7000 + number}/schedstat"] = b"1 2 3\n"
            mounts += b"%d 22 8:%d / /mnt/%s rw - ext4 /dev/%s rw\n" % (
                (number + 90, number, _escaped(name), _escaped(name))
            )
            overlay.file_systems["/mnt/" + name.decode("utf-8", "surrogateescape")] = roomless
            if b"\n" not in name:
                devices += b"%s: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n" % name.replace(b" ", b"_")
        moment["/proc/net/dev"], moment["/proc/self/mountinfo"] = devices, mounts
        moment["/proc/sys/kernel/hostname"] = NAMES[1] + b"\n"
    return recorded(host_of(overlay), tmp_path_factory.mktemp("hostile") / "hostile")


def test_no_name_reaches_the_terminal_as_it_is(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("snapshot", "--all", "--explain"), ("snapshot", "--markdown"), ("check",)):
        assert main([*words, "--root", hostile]) == 2
        output = capsys.readouterr()
        assert output.err == ""
        lines = output.out.split("\n")
        assert [line for line in lines if not line.isprintable()] == []
        assert "\\x1b[2J" in output.out or "\\\\x1b\\[2J" in output.out


def test_markdown_that_holds_such_names_keeps_its_tables(
    hostile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--root", hostile, "--markdown"])
    text = capsys.readouterr().out
    cells = 0
    for line in text.split("\n"):
        now = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and now) or now == cells, line
        cells = now
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)


def test_nagios_gets_one_line_with_one_bar(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--root", hostile])
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.count("|") == 1
    perfdata = line.partition(" | ")[2]
    assert re.fullmatch(r"('([^'=|;]|'')+'=-?[0-9.]+(%|s|B|c)?(;[0-9.:]*;[0-9.:]*)?\s)+", perfdata)


def test_json_holds_the_names_themselves(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = snapshot_of(hostile, capsys)
    shown = {row["comm"] for row in table(document, "blocked")["rows"]}
    kept = {name.decode("utf-8", "backslashreplace") for name in NAMES}
    assert kept <= shown
    assert {f"fs.space /mnt/{name}" for name in kept} <= set(statuses(document, "critical"))


# Numbers beyond all measure.

CPUS, MOUNTS, FILE_SYSTEMS, TASKS = 4096, 10_000, 200, 5_000


def huge() -> MemoryHost:
    """Return a host with thousands of CPUs, mounts and tasks."""
    overlay = quiet_overlay()
    for number, moment in enumerate(overlay.moments):
        stat, of_task = moment["/proc/stat"], moment["/proc/412/stat"]
        mounts = moment["/proc/self/mountinfo"]
        assert isinstance(stat, bytes) and isinstance(of_task, bytes) and isinstance(mounts, bytes)
        per_cpu = (500 + 25 * number, 100 + 25 * number, 9_000 + 50 * number)
        lines = [b"cpu%d %d 0 %d %d 0 0 0 0 0 0" % (cpu, *per_cpu) for cpu in range(CPUS)]
        total = b"cpu  %d 0 %d %d 0 0 0 0 0 0" % tuple(CPUS * each for each in per_cpu)
        others = [line for line in stat.split(b"\n") if not line.startswith(b"cpu")]
        moment["/proc/stat"] = b"\n".join((total, *lines, *others))
        moment["/sys/devices/system/cpu/online"] = b"0-%d\n" % (CPUS - 1)
        moment["/proc/self/mountinfo"] = mounts + b"".join(
            b"%d 22 0:%d / /mnt/%d rw - tmpfs none rw\n" % (1000 + each, 1000 + each % FILE_SYSTEMS, each)
            for each in range(MOUNTS)
        )
        fields = of_task.rsplit(b") ", 1)[1]
        for pid in range(10_000, 10_000 + TASKS):
            moment[f"/proc/{pid}/stat"] = b"%d (task) %s" % (pid, fields)
            moment[f"/proc/{pid}/schedstat"] = b"1 2 3\n"
            overlay.sizes[f"/proc/{pid}/fd"] = 3
    small = FileSystemSize(4096, 100, 50, 50, 100, 50, 50)
    overlay.file_systems.update((f"/mnt/{each}", small) for each in range(FILE_SYSTEMS))
    return host_of(overlay)


def test_thousands_of_everything_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "open_root", lambda root: huge())
    document = snapshot_of("huge", capsys, "--per-cpu", "--section", "cpu")
    assert document["exit_code"] == 0
    assert document["host"]["online_cpus"] == CPUS
    assert len(table(document, "cpu")["rows"]) == CPUS + 1
    assert {row["usr_pct"] for row in table(document, "cpu")["rows"]} == {25.0}
    by_id = {each["id"]: each["summary"] for each in document["findings"]}
    assert by_id["fs.readonly"].startswith(f"none of {MOUNTS + 7} mounts")
    assert by_id["fs.stuck"].startswith(f"{FILE_SYSTEMS + 3} file systems answered")
    assert f"{TASKS + 5} processes" in by_id["task.d_state"]
