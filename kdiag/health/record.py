"""Recording a host: two samples of everything that any check or table reads, to be looked at again later."""

from kdiag.health.acquire import Scope, take_sample
from kdiag.host.base import Host
from kdiag.host.record import FolderWriter, RecordingHost
from kdiag.procfs.catalogue import SOURCES

__all__ = ["record"]


def record(host: Host, folder: str, interval_s: float) -> str:
    """Record two samples ``interval_s`` apart into a new folder; return what was recorded, in a sentence.

    Both samples are whole, and so are the sections that a snapshot shows only when asked for them.
    Raises :class:`~kdiag.host.record.CannotRecord` if the folder exists or cannot be written. A recording
    that was interrupted says so when it is looked at.
    """
    sections = tuple({name for source in SOURCES for name in source.sections})
    scope = Scope(True, sections)
    recording = RecordingHost(host, FolderWriter(folder))
    try:
        before = take_sample(recording, scope)
        if recording.advance(interval_s):
            take_sample(recording, scope, before)
        recording.finish()
    except KeyboardInterrupt:
        recording.finish("sigint")
        raise
    finally:
        recording.close()
    return f"recorded into {folder}; look at it with: kdiag snapshot --root {folder}"
