"""`make lab-setup`: QEMU and the kernels, fetched once and kept; what is there is not fetched again.

Every step may be interrupted and done again: a kernel counts only when it was unpacked to its end. What
cannot be had is named, the rest is set up all the same, and the exit status says that something is missing.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from typing import Callable, List, NamedTuple, Sequence, Tuple

from lab import packages
from lab.installed import Installed, cache_folder, find_installed, kernel_folder
from lab.kernels import KERNELS, Kernel
from lab.packages import CannotFetch, Suite

__all__ = ["Missing", "guest_python", "set_up"]

Say = Callable[[str], None]

# Command -> Debian package. `file` is how virtme-ng learns a kernel's release, busybox must be static for its
# initramfs, the udev daemon makes the names of the ports through which a guest's output comes.
TOOLS: Tuple[Tuple[str, str], ...] = (
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("file", "file"),
    ("modprobe", "kmod"),
    ("udevadm", "udev"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("strace", "strace"),
    ("vmstat", "procps"),
    ("iostat", "sysstat"),
)

# The lab does without these: tests that want them skip, and say so.
OPTIONAL = ("mkfs.ext4", "mkfs.xfs", "strace", "vmstat", "iostat")


class Missing(NamedTuple):
    """Something that could not be had. `needed` is false for what only some tests want."""

    what: str
    why: str
    needed: bool = True


def _found(command: str) -> bool:
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def _install(package_names: Sequence[str]) -> str:
    """Installs packages with the machine's own apt; "" or what it answered."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    said = ""
    for update_first in (False, True):
        if update_first:
            # Lists of a machine that was never updated are empty, old ones name versions that are gone.
            subprocess.run(
                ["apt-get", "-q", "update"], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        done = subprocess.run(
            ["apt-get", "-q", "install", "-y", "--no-install-recommends", *package_names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode == 0:
            return ""
        said = (
            "; ".join(line for line in done.stdout.splitlines() if line.startswith("E:"))
            or done.stdout[-300:]
        )
    return said


def set_up_tools(say: Say) -> List[Missing]:
    """Installs the commands that are not there yet."""
    wanted = [(command, package) for command, package in TOOLS if not _found(command)]
    missing: List[Missing] = []
    if wanted and (os.geteuid() != 0 or not shutil.which("apt-get")):
        why = "only root can install packages" if shutil.which("apt-get") else "apt-get is not here"
        missing = [
            Missing(f"{command} (package {package})", why, command not in OPTIONAL)
            for command, package in wanted
        ]
    elif wanted:
        say(f"installing {' '.join(package for _, package in wanted)}")
        if _install([package for _, package in wanted]):
            # One that cannot be had must not keep the others away.
            for command, package in wanted:
                said = _install([package])
                if said:
                    missing.append(Missing(f"{command} (package {package})", said, command not in OPTIONAL))
    if importlib.util.find_spec("virtme") is None:
        missing.append(Missing("virtme-ng", "not in this Python's environment; make lab-setup installs it"))
    if not os.path.isdir("/usr/lib/modules"):
        # A guest cannot make the folder: its root is read-only. An empty one changes nothing for this
        # machine.
        try:
            os.mkdir("/usr/lib/modules")
            say("made the empty folder /usr/lib/modules, over which guests mount their kernel's modules")
        except OSError as error:
            missing.append(
                Missing("/usr/lib/modules", f"{error.strerror}: guests cannot load modules without it")
            )
    return missing


def guest_python(repo: str) -> str:
    """The Python that guests run the tests with: Debian's own if `set_up_python` made an environment for it.

    The one that runs the lab may have been built without optimization, as by pyenv: half as fast, which
    is minutes in each guest under emulation.
    """
    made = os.path.join(repo, ".venv-lab")
    stamp = os.path.join(made, ".made")
    return os.path.join(made, "bin", "python") if os.path.exists(stamp) else sys.executable


def set_up_python(repo: str, say: Say) -> List[Missing]:
    """Makes an environment for the distribution's Python in `repo`, unless the lab itself runs on that."""
    system = "/usr/bin/python3"
    if sys.base_prefix == "/usr" or not os.path.exists(system):
        return []
    made = os.path.join(repo, ".venv-lab")
    stamp = os.path.join(made, ".made")
    project = os.path.join(repo, "pyproject.toml")
    if os.path.exists(stamp) and os.path.getmtime(stamp) >= os.path.getmtime(project):
        return []
    say("making an environment for the guests' Python")
    shutil.rmtree(made, ignore_errors=True)
    # Debian's Python comes without ensurepip; the pip that is here installs for it.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    for command in (
        [system, "-m", "venv", "--without-pip", made],
        [*pip, "--python", os.path.join(made, "bin", "python"), "install", "-q", "-e", f"{repo}[test]"],
    ):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(made, ignore_errors=True)
            said = f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}"
            return [Missing("a faster Python for the guests", said, needed=False)]
    with open(stamp, "w", encoding="ascii"):
        pass
    return []


def _arrange(folder: str, release: str) -> None:
    """Brings an unpacked kernel into one layout: boot/vmlinuz-RELEASE and lib/modules/RELEASE."""
    in_usr = os.path.join(folder, "usr", "lib", "modules")
    if os.path.isdir(in_usr):
        os.makedirs(os.path.join(folder, "lib"), exist_ok=True)
        os.rename(in_usr, os.path.join(folder, "lib", "modules"))
    modules = os.path.join(folder, "lib", "modules", release)
    boot = os.path.join(folder, "boot")
    os.makedirs(boot, exist_ok=True)
    # Since 7.x the image and what belongs to it lie among the modules, as systemd wants it.
    for name in ("vmlinuz", "config", "System.map"):
        beside = os.path.join(modules, name)
        if os.path.exists(beside):
            os.rename(beside, os.path.join(boot, f"{name}-{release}"))
    shutil.rmtree(os.path.join(folder, "usr"), ignore_errors=True)
    depmod = shutil.which("depmod", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not depmod:
        raise CannotFetch("depmod is not here (package kmod): the modules cannot be loaded by name")
    done = subprocess.run([depmod, "-b", folder, release], stderr=subprocess.PIPE, check=False)
    if done.returncode != 0 or not os.path.exists(os.path.join(modules, "modules.dep")):
        raise CannotFetch(
            f"depmod -b {folder} {release}: {done.stderr.decode(errors='replace').strip()[-300:]}"
        )


def set_up_kernel(kernel: Kernel, say: Say) -> Installed:
    """Fetches the newest release of `kernel` unless it is there."""
    here = find_installed(kernel.name)
    refused: List[str] = []
    suites = os.path.join(cache_folder(), "suites")
    for name in kernel.suites:
        suite = Suite(name, suites)
        try:
            suite.update()
            found = packages.newest(kernel, suite.search("^linux-(image|binary)-"))
        except CannotFetch as error:
            refused.append(str(error))
            continue
        if not found:
            refused.append(f"{name} has no package like {kernel.image}")
            continue
        package, release = found
        if here and here.release == release:
            say(f"{kernel.name}: {release} is here")
            return here
        return _fetch(kernel, suite, package, release, say)
    if here:
        said = "; ".join(refused)
        say(f"{kernel.name}: {here.release} is here; whether there is a newer one could not be told: {said}")
        return here
    raise CannotFetch("; ".join(refused))


def _fetch(kernel: Kernel, suite: Suite, package: str, release: str, say: Say) -> Installed:
    downloads = os.path.join(cache_folder(), "downloads")
    partial = kernel_folder(kernel.name) + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    names = [package, *(more.format(release=release) for more in kernel.more)]
    version = ""
    debs = []
    for name in names:
        say(f"{kernel.name}: fetching {name} from {suite.name}")
        deb = suite.download(name, downloads)
        debs.append(deb)
        packages.unpack(deb, partial)
        version = version or packages.version_of(deb)
    _arrange(partial, release)
    with open(os.path.join(partial, "installed.json"), "w", encoding="utf-8") as file:
        json.dump({"release": release, "version": version, "suite": suite.name, "packages": names}, file)
    shutil.rmtree(kernel_folder(kernel.name), ignore_errors=True)
    os.rename(partial, kernel_folder(kernel.name))
    for deb in debs:
        os.unlink(deb)
    installed = find_installed(kernel.name)
    if installed is None:
        raise CannotFetch(f"{' '.join(names)} hold no boot/vmlinuz-{release}")
    return installed


def set_up(names: Sequence[str], repo: str, say: Say) -> List[Missing]:
    """Sets up the tools and the named kernels; what could not be had."""
    missing = set_up_tools(say) + set_up_python(repo, say)
    for name in names:
        try:
            installed = set_up_kernel(KERNELS[name], say)
        except CannotFetch as error:
            missing.append(Missing(f"kernel {name}", str(error)))
        else:
            say(f"{name}: {installed.release} ({installed.version})")
    return missing
