import re
import typing
from importlib import import_module
from typing import List, Set

from kdiag.health.checks import CHECKS
from kdiag.health.observe import Plan, observe
from kdiag.health.sample import Sample
from kdiag.health.tables import TABLES
from kdiag.host.base import Reading
from kdiag.host.live import LiveHost
from kdiag.host.memory import MemoryHost
from kdiag.procfs.catalogue import COSTS, SOURCES
from tests.health.overlay import Files, Overlay, quiet_overlay
from tests.health.task_files import stat

RECORD_FIELDS = [source for source in SOURCES if source.field not in ("", "integers", "words")]


def test_every_parser_that_is_named_exists_and_takes_bytes_and_a_path() -> None:
    for source in SOURCES:
        if ":" not in source.parser:  # st_size, or the host's own look-up of user names
            continue
        module, _, name = source.parser.partition(":")
        hints = typing.get_type_hints(getattr(import_module(f"kdiag.procfs.{module}"), name))
        assert list(hints)[:2] == ["data", "path"], source
        assert hints["data"] is bytes and hints["path"] is str, source


def test_every_record_goes_into_a_field_of_its_type() -> None:
    for source in RECORD_FIELDS:
        module, _, name = source.parser.partition(":")
        returned = typing.get_type_hints(getattr(import_module(f"kdiag.procfs.{module}"), name))["return"]
        assert Sample.__annotations__[source.field] == f"Optional[{returned.__name__}]", source


def test_every_field_of_a_sample_is_filled_by_a_row() -> None:
    assert set(Sample.__annotations__) - {"cgroup"} == {source.field for source in RECORD_FIELDS}


def pattern(path: str) -> str:
    """Return the regular expression that a row's path stands for."""
    escaped = re.escape(path)
    for mark, meaning in (("[pid]", "[0-9]+"), ("[tid]", "[0-9]+"), ("**", ".+"), ("*", "[^/]+")):
        escaped = escaped.replace(re.escape(mark), meaning)
    return escaped


class ReadsAreSeen(LiveHost):
    """The live host; remembers which files it was asked for."""

    def __init__(self) -> None:
        super().__init__("/")
        self.seen: Set[str] = set()

    def reading(self, path: str, may_block: bool = False) -> Reading:
        self.seen.add(path)
        return super().reading(path, may_block)

    def size_bytes(self, path: str) -> int:
        self.seen.add(path)
        return super().size_bytes(path)


def test_nothing_is_read_that_is_not_in_the_catalogue() -> None:
    host = ReadsAreSeen()
    sections = tuple({table.section for table in TABLES})
    observe(host, Plan(CHECKS, TABLES, interval_s=0.05, sections=sections))
    host.close()
    assert len(host.seen) > 100
    assert not_in_catalogue(host.seen) == []


def not_in_catalogue(paths: Set[str]) -> List[str]:
    rows = re.compile("|".join(pattern(source.path) for source in SOURCES))
    return sorted(path for path in paths if not rows.fullmatch(path))


def test_what_is_read_of_stuck_tasks_and_threads_is_in_the_catalogue_too() -> None:
    overlay = quiet_overlay()
    stuck: Files = {
        "/proc/self/mountinfo": (
            b"40 24 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
            b"41 24 0:33 / /sys/fs/cgroup/cpu,freezer rw - cgroup cgroup rw,cpu,freezer\n"
        ),
        "/proc/loadavg": b"3.00 3.00 3.00 3/99 99\n",
        "/proc/7/stat": stat(7, state="D", threads=2),
        "/proc/7/cgroup": b"3:freezer:/\n",
        "/proc/7/task/8/stat": stat(8, state="D"),
        "/proc/7/task/8/cgroup": b"3:freezer:/a/b\n",
    }
    for files in overlay.moments:
        files.update(stuck)
    seen = asked_of(overlay, Plan(CHECKS, TABLES))
    assert "/sys/fs/cgroup/freezer/freezer.state" in seen
    assert "/sys/fs/cgroup/freezer/a/b/freezer.state" in seen
    assert "/proc/7/task/8/stack" in seen
    assert not_in_catalogue(seen) == []


def asked_of(overlay: Overlay, plan: Plan) -> Set[str]:
    """Return the files that a host in memory is asked for."""
    seen: Set[str] = set()

    class Seen(MemoryHost):
        def reading(self, path: str, may_block: bool = False) -> Reading:
            seen.add(path)
            return super().reading(path, may_block)

    observe(Seen(overlay.moments, sizes=overlay.sizes, file_systems=overlay.file_systems), plan)
    return seen


def test_rows_are_unique_and_use_known_words() -> None:
    paths = [source.path for source in SOURCES]
    assert len(set(paths)) == len(paths)
    for source in SOURCES:
        assert source.cost in COSTS
        assert source.when in ("both", "last", "asked")
        assert bool(source.sections) == (source.when == "asked")
        assert source.who in ("anyone", "owner", "root")


def test_no_file_is_listed_that_acts_when_it_is_read_or_waits_for_a_process() -> None:
    never = r"stat_refresh|compact_memory|drop_caches|binfmt_misc|\]/(cmdline|environ|maps|smaps|mem)$"
    assert not [source.path for source in SOURCES if re.search(never, source.path)]
