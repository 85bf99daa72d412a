"""One guest: boots a kernel, runs one command in it, and tells how it ended.

The guest has this machine's root file system, read-only; its results come back through an out folder. It
counts as well ended only if the command's own exit status came back: QEMU's status says nothing (a guest that
panics leaves it with 0), so a guest that says nothing has failed.

The clock of a guest runs in wall time, also under emulation: what takes a second here takes ten there, so
nothing measured in a guest is good for more than a ratio within that guest.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Iterator, List, NamedTuple, Optional, Set, Tuple

from lab.console import Trouble, find_trouble
from lab.console import fatal as fatal_trouble
from lab.installed import Installed
from lab.variants import Variant

__all__ = ["GUEST_OUT", "Ended", "Request", "Stopped", "run_guest", "stop_guests"]

GUEST_OUT = "/run/lab-out"

# The disk is sparse. xfs wants 300 MiB at least, ext4 next to nothing.
DISK_BYTES = 512 * 1024 * 1024

# Drivers of emulated hardware, and crypto that measures itself, which udev would load for 15 s under
# emulation.
_NOT_LOADED = (
    "aesni_intel,ahci,bochs,button,ccp,crc32_pclmul,crc32c_intel,crct10dif_pclmul,drm,evdev,ghash_clmulni_intel,"
    "i2c_i801,i6300esb,iTCO_wdt,kvm,kvm_amd,kvm_intel,lpc_ich,pcspkr,psmouse,qemu_fw_cfg,serio_raw,sg,sha1_ssse3,"
    "sha256_ssse3,sha512_ssse3,sr_mod,polyval_clmulni"
)

_INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside.sh")


class Request(NamedTuple):
    """What is to be run. `folder` is the folder that the command starts in, in the guest as outside."""

    kernel: Installed
    variant: Variant
    command: Tuple[str, ...]
    out: str
    folder: str
    disk: bool = False
    deadline_s: float = 600.0
    memory_mib: int = 2048
    boot: Tuple[str, ...] = ()


class Ended(NamedTuple):
    """How a guest ended: `status` is the command's own; None if it never came back, and `why` says why."""

    status: Optional[int]
    why: Optional[str]
    release: Optional[str]
    took_s: float
    booted_s: Optional[float]
    console: str
    output: str
    troubles: Tuple[Trouble, ...]


def closed_folder_above(path: str) -> Optional[str]:
    """The topmost folder above `path` that other users may not pass through; None if all are open."""
    above = "/"
    for name in path.strip("/").split("/")[:-1]:
        above = os.path.join(above, name)
        if not os.stat(above).st_mode & 0o001:
            return above
    return None


def _shown_and_covered(folder: str) -> Tuple[List[str], List[str]]:
    shown = [os.path.realpath(folder)]
    if not sys.base_prefix.startswith("/usr"):
        shown.append(os.path.realpath(sys.base_prefix))
    covered = {closed_folder_above(path) for path in shown} - {None}
    return shown, sorted(path for path in covered if path)


def request_text(request: Request, repo: str) -> str:
    """The assignments that lab/inside.sh reads."""
    shown, covered = _shown_and_covered(repo)
    for path in shown + covered:
        if path.split() != [path]:
            raise ValueError(f"the lab cannot show a folder with blanks in its name to a guest: {path!r}")
    variant = request.variant
    values = {
        "LAB_KERNEL": request.kernel.folder,
        "LAB_SHOWN": " ".join(shown),
        "LAB_COVERED": " ".join(covered),
        "LAB_FOLDER": request.folder,
        "LAB_DISK": "yes" if request.disk else "",
        "LAB_PREPARE": variant.prepare,
        "LAB_PROOF": variant.proof,
        "LAB_PLACE": variant.place,
        "KDIAG_LAB_KERNEL": request.kernel.name,
        "KDIAG_LAB_VARIANT": variant.name,
        "KDIAG_LAB_USER": variant.user,
        "KDIAG_LAB_ROOT": "/host" if variant.place == "container" else "/",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def qemu_command(request: Request, disk: Optional[str]) -> List[str]:
    """virtme-run with all its arguments."""
    kernel = request.kernel
    command = [
        _virtme_run(),
        *("--kimg", kernel.vmlinuz, "--mods", "auto"),
        *("--disable-kvm", "--force-9p", "--cpus", "2", "--memory", f"{request.memory_mib}M"),
        # Without rwdir's own path the guest would look for it below this machine's /tmp, which it covers.
        f"--rwdir={GUEST_OUT}={request.out}",
        "--show-boot-console",
        *("--script-sh", f"exec sh {GUEST_OUT}/inside.sh {GUEST_OUT}"),
    ]
    if disk:
        command += ["--disk", f"lab={disk}"]
    parameters = [
        # virtme-ng asks for loglevel=1, under which the stack of a warning is not printed.
        "loglevel=5",
        # An oops leaves a guest that goes on with a task missing: its tests would pass or hang by chance.
        "oops=panic",
        # Emulated CPUs share the host's with other guests. Ten seconds without a tick are no defect there.
        "watchdog_thresh=60",
        "rcupdate.rcu_cpu_stall_timeout=200",
        f"modprobe.blacklist={_NOT_LOADED}",
        *request.variant.boot,
        *request.boot,
    ]
    for parameter in parameters:
        command += ["--kopt", parameter]
    qemu = [
        # With QEMU's multi-threaded emulation, patching ftrace sites oopsed a 7.2 guest.
        *("-accel", "tcg,thread=single"),
        *("-fsdev", "local,id=labhost,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=labhost,mount_tag=lab.host"),
    ]
    return command + [f"--qemu-opt={argument}" for argument in qemu]


def _virtme_run() -> str:
    beside = os.path.join(os.path.dirname(sys.executable), "virtme-run")
    found = beside if os.path.exists(beside) else shutil.which("virtme-run")
    if not found:
        raise FileNotFoundError("virtme-run is not installed beside this Python; run: make lab-setup")
    return found


def _pump(source: IO[bytes], kept: IO[bytes], shown: Optional[IO[bytes]]) -> None:
    while True:
        data = os.read(source.fileno(), 65536)
        if not data:
            return
        kept.write(data)
        kept.flush()
        if shown is not None:
            shown.write(data)
            shown.flush()


def run_guest(request: Request, repo: str, shown: Optional[IO[bytes]] = None) -> Ended:
    """Boots the guest and waits for its end, at most `deadline_s`; what it prints goes to `shown`, too.

    `request.out` must exist. Beside what the command leaves there it will hold `console.log` and
    `output.log`.
    """
    if _stopping.is_set():
        raise Stopped
    out = request.out
    shutil.copyfile(_INSIDE, os.path.join(out, "inside.sh"))
    for stale in ("status", "failed", "release", "booted", "ended"):
        if os.path.exists(os.path.join(out, stale)):
            os.unlink(os.path.join(out, stale))
    with open(os.path.join(out, "request.sh"), "w", encoding="utf-8") as file:
        file.write(request_text(request, repo))
    with open(os.path.join(out, "command.sh"), "w", encoding="utf-8") as file:
        file.write(f"exec {shlex.join(request.command)}\n")
    disk = None
    if request.disk:
        disk = os.path.join(out, "disk.img")
        with open(disk, "wb") as image:
            image.truncate(DISK_BYTES)

    with _turn():
        started = time.monotonic()
        late = _boot(request, disk, shown)
        took_s = time.monotonic() - started
    if disk:
        os.unlink(disk)
    return _ended(request, took_s, late)


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Waits for this guest's turn: labs that share a machine lock the file that KDIAG_LAB_LOCK names."""
    path = os.environ.get("KDIAG_LAB_LOCK")
    if not path:
        yield
        return
    with open(path, "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _boot(request: Request, disk: Optional[str], shown: Optional[IO[bytes]]) -> bool:
    """Runs virtme-run to its end; whether that was the deadline's doing."""
    if _stopping.is_set():
        raise Stopped
    out = request.out
    late = False
    with (
        open(os.path.join(out, "output.log"), "wb") as output,
        open(os.path.join(out, "console.log"), "wb") as console,
    ):
        # Pipes, since QEMU opens /proc/self/fd/1 anew: a file would be cut off and written from two offsets.
        process = subprocess.Popen(
            qemu_command(request, disk),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None and process.stderr is not None
        pumps = [
            threading.Thread(target=_pump, args=(process.stdout, output, shown), daemon=True),
            threading.Thread(target=_pump, args=(process.stderr, console, None), daemon=True),
        ]
        for pump in pumps:
            pump.start()
        _running.add(process)
        try:
            process.wait(request.deadline_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if process.poll() is None or late:
                _end_session(process)
            _running.discard(process)
        for pump in pumps:
            pump.join(10)
    return late


class Stopped(Exception):
    """The lab was told to end: no further guest is booted."""


_running: "Set[subprocess.Popen[bytes]]" = set()
_stopping = threading.Event()


def stop_guests() -> None:
    """Ends every guest of this process, and lets no other begin: for the handler of a signal.

    Guests run in sessions of their own, so that they can be ended whole; a terminal's Ctrl-C never reaches
    them.
    """
    _stopping.set()
    for process in list(_running):
        _end_session(process)


def _end_session(process: "subprocess.Popen[bytes]") -> None:
    """Ends virtme-run and the QEMU that it started: both are in the session that was made for them."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
        time.sleep(0.2)


def _text(folder: str, name: str) -> Optional[str]:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _ended(request: Request, took_s: float, late: bool) -> Ended:
    out = request.out
    console = _text(out, "console.log") or ""
    output = _text(out, "output.log") or ""
    status_text = (_text(out, "status") or "").strip()
    status = int(status_text) if status_text.isdigit() else None
    troubles = find_trouble(console)
    worst = fatal_trouble(troubles)
    why: Optional[str] = None
    failed = _text(out, "failed")
    if failed is not None:
        why = failed.strip()
        status = None
    elif worst is not None:
        why = f"{worst.kind}: {worst.line}"
    elif late:
        why = f"did not end within {request.deadline_s:.0f} s"
    elif status is None:
        why = "ended without the exit status of its command"
    booted = (_text(out, "booted") or "").strip()
    return Ended(
        status=status,
        why=why,
        release=(_text(out, "release") or "").strip() or None,
        took_s=took_s,
        booted_s=float(booted) if booted else None,
        console=console,
        output=output,
        troubles=troubles,
    )
