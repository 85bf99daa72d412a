import re
import typing
from importlib import import_module

from kdiag.health.sample import Sample
from kdiag.procfs.catalogue import COSTS, SOURCES

RECORD_FIELDS = [source for source in SOURCES if source.field not in ("", "integers", "words")]


def test_every_parser_that_is_named_exists_and_takes_bytes_and_a_path() -> None:
    for source in SOURCES:
        if source.parser == "st_size":
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
