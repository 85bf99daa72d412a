from bench.decoding import make_pages
from kdiag.ftrace import ring_buffer
from kdiag.ftrace.event_format import PageLayout


def test_the_pages_that_are_decoded_are_those_of_system_calls() -> None:
    data = b"".join(make_pages(3, 361, 360))
    assert len(data) == 3 * 4096
    found = ring_buffer.decode(data, PageLayout(8, 16, 4080, big_endian=False))
    assert found.gaps == ()
    assert found.types == [361, 360] * 126
    assert found.sizes_bytes == [64, 24] * 126
    assert found.times_ns == sorted(found.times_ns)
