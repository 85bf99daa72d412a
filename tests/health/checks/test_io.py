from tests.health.checks.verdicts import findings, not_applicable, only
from tests.health.windows import window_of

DISKSTATS, MDSTAT = "/proc/diskstats", "/proc/mdstat"
VDB = b" 254      16 vdb 1042 3 81200 611 204 66 19112 240 0 700 851 0 0 0 0 0 0\n"


def vda(reads: int = 20534, read_ms: int = 10244, in_flight: int = 0, weighted_ms: int = 18255) -> bytes:
    numbers = f"{reads} 812 1260722 {read_ms} 9911 7112 422816 8011 {in_flight} 9120 {weighted_ms}"
    return f" 254       0 vda {numbers} 512 0 9120344 40 0 0\n".encode()


def test_a_slow_disk_is_named_with_its_waiting_time_and_its_line() -> None:
    last = {DISKSTATS: VDB + vda(reads=20554, read_ms=13244, weighted_ms=21255)}
    finding = only(window_of(last=last), "io.disk")
    assert (finding.status, finding.subject, finding.value, finding.unit) == ("warning", "vda", 150.0, "ms")
    assert finding.summary == "reads take 150.0 ms; 3.0 are under way on average"
    assert [str(each) for each in finding.evidence] == ["/proc/diskstats:2"]
    assert finding.basis == "rate over 1.0 s"


def test_thresholds_are_reached_not_passed() -> None:
    def status(read_ms: int, weighted_ms: int, **limits: float) -> str:
        last = {DISKSTATS: vda(20544, 10244 + read_ms, 0, 18255 + weighted_ms)}
        return only(window_of(last=last), "io.disk", {"io.disk": limits}).status

    assert (status(1000, 1000), status(999, 999)) == ("warning", "ok")  # 100 ms, 99.9 ms
    assert (status(90, 10_000), status(90, 9_999)) == ("warning", "ok")  # a queue of 10
    assert status(999, 999, await_warning_ms=90) == "warning"
    assert status(1000, 1000, await_min_under_way=2) == "ok"


def test_pressure_is_shown_where_it_made_a_long_queue_critical() -> None:
    psi = b"some avg10=22.00 avg60=18.10 avg300=3.00 total=9\n"
    psi += b"full avg10=15.00 avg60=12.40 avg300=2.00 total=7\n"
    last = {DISKSTATS: vda(weighted_ms=48_255), "/proc/pressure/io": psi}
    finding = only(window_of(last=last), "io.disk")
    assert (finding.status, finding.value) == ("critical", None)
    assert finding.summary == "30.0 requests are queued on average"
    assert finding.evidence[1].raw == "full avg10=15.00 avg60=12.40 avg300=2.00 total=7"


def test_when_nothing_waits_the_longest_queue_is_told_and_who_was_not_judged() -> None:
    last = {DISKSTATS: vda(20536, 10248, 0, 18259) + b" 254 32 vdc 9 0 72 5 0 0 0 0 0 5 5 0 0 0 0 0 0\n"}
    finding = only(window_of(last=last), "io.disk")
    assert (finding.status, finding.value) == ("ok", 2.0)
    assert finding.summary == (
        "the longest queue is 0.0 requests, on vda, where reads take 2.0 ms "
        "(not judged: vdc: it came between the readings)"
    )


def test_of_many_slow_disks_the_first_twenty_are_told_and_the_others_counted() -> None:
    def disks(reads: int, read_ms: int) -> bytes:
        numbers = f"{reads} 0 800 {read_ms} 0 0 0 0 0 0 {read_ms}"
        return "".join(f" 8 {16 * n} sd{chr(97 + n)} {numbers}\n" for n in range(25)).encode()

    found = findings(window_of({DISKSTATS: disks(100, 100)}, {DISKSTATS: disks(110, 2100)}), "io.disk")
    assert [finding.subject for finding in found] == [f"sd{chr(97 + n)}" for n in range(20)] + ["others"]
    assert (found[-1].status, found[-1].value) == ("warning", 5)


def test_one_reading_judges_no_disk_and_says_why() -> None:
    finding = only(window_of(once=True), "io.disk")
    assert finding.status == "unknown"
    assert "one reading tells no waiting times" in finding.because


def test_a_reboot_between_the_readings_is_the_reason_given() -> None:
    window = window_of({"/proc/sys/kernel/random/boot_id": b"another\n"})
    assert "rebooted between the readings" in only(window, "io.disk").because


def test_a_host_without_disks_has_nothing_to_judge() -> None:
    none = {DISKSTATS: b"   7       0 loop0 100 0 800 10 0 0 0 0 0 10 10\n"}
    assert not_applicable(window_of(none, none), "io.disk") == "no disk was ever used"


def test_an_array_is_told_with_both_its_lines_and_how_far_its_rebuilding_is() -> None:
    mdstat = (
        b"Personalities : [raid6] [raid5] [raid4] \n"
        b"md0 : active raid5 vdf[4] vde[2](F) vdd[1] vda[0]\n"
        b"      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]\n"
        b"      [=>...................]  recovery =  9.2% (97052/1046528) finish=0.9min speed=16175K/sec\n\n"
        b"unused devices: <none>\n"
    )
    finding = only(window_of(last={MDSTAT: mdstat}), "md.degraded")
    assert (finding.status, finding.value, finding.unit, finding.subject) == ("critical", 1.0, "disks", "md0")
    assert finding.summary == (
        "1 of 3 disks are missing from this raid5: [UU_]; failed: vde; recovery is at 9.2%, 0.9 minutes to go"
    )
    assert [str(each) for each in finding.evidence] == ["/proc/mdstat:2", "/proc/mdstat:3"]
    assert finding.evidence[1].raw.endswith("[3/2] [UU_]")
    assert (finding.next, finding.basis) == ("mdadm --detail /dev/md0", "instant")


def test_a_rebuilding_that_waits_says_so() -> None:
    mdstat = b"md0 : active raid1 sdb1[1] sda1[0]\n      8 blocks [2/1] [U_]\n      \tresync=DELAYED\n"
    assert only(window_of(last={MDSTAT: mdstat}), "md.degraded").summary == (
        "1 of 2 disks are missing from this raid1: [U_]; resync is DELAYED"
    )


def test_a_faulty_member_of_an_array_without_redundancy_was_replaced_by_nobody() -> None:
    mdstat = b"md0 : active raid0 sdb1[1](F) sda1[0]\n      8 blocks 512k chunks\n"
    finding = only(window_of(last={MDSTAT: mdstat}), "md.degraded")
    assert (finding.status, finding.summary) == ("warning", "members are faulty; failed: sdb1")


def test_a_broken_array_is_critical_though_no_place_is_counted() -> None:
    mdstat = b"md0 : broken raid0 sdb1[1] sda1[0]\n      8 blocks 512k chunks\n"
    finding = only(window_of(last={MDSTAT: mdstat}), "md.degraded")
    assert (finding.status, finding.summary) == (
        "critical",
        "the array is broken: its data cannot be reached",
    )


def test_arrays_that_are_whole_are_one_finding() -> None:
    mdstat = b"md1 : active raid1 sdb1[1] sda1[0]\n      8 blocks [2/2] [UU]\n"
    mdstat += b"md0 : active raid0 sdc[0]\n      8 blocks\n"
    finding = only(window_of(last={MDSTAT: mdstat}), "md.degraded")
    assert (finding.status, finding.summary) == ("ok", "no array lost a disk: md1, md0")


def test_a_file_cut_off_keeps_what_was_found_and_is_unknown_for_the_rest() -> None:
    mdstat = b"md1 : active raid1 sdb1[1] sda1[0]\n      8 blocks [2/1] [U_]\nmd0 : active raid1 sdc[0] sd"
    found = findings(window_of(last={MDSTAT: mdstat}), "md.degraded")
    assert [(each.status, each.subject) for each in found] == [("critical", "md1"), ("unknown", "")]
    assert "line 3 could not be read" in found[1].because


def test_no_arrays_and_no_driver_are_two_reasons_not_to_judge() -> None:
    assert not_applicable(window_of(), "md.degraded") == "there are no software RAID arrays"
    window = window_of({MDSTAT: 2}, {MDSTAT: 2})
    assert (
        not_applicable(window, "md.degraded")
        == "this kernel has no software RAID in use: the md driver is not loaded"
    )
