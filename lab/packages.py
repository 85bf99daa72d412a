"""Debian packages of suites other than the machine's own, fetched without touching how the machine's apt is
set up.

The mirror is the machine's own, read from /etc/apt when it is needed. A sources file for each suite lies in
the lab's cache, with package lists of its own; nothing is installed from there, only unpacked.
"""

import os
import re
import shutil
import subprocess
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from lab.kernels import Kernel

__all__ = ["CannotFetch", "Mirror", "Suite", "mirrors", "newest"]

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class CannotFetch(Exception):
    """Something could not be had; the message says what, from where, and what was answered."""


class Mirror(NamedTuple):
    """One archive that the machine's apt knows."""

    uri: str
    suites: Tuple[str, ...]


def _deb822(text: str) -> Iterator[Dict[str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: Dict[str, str] = {}
        last = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                fields[last] += " " + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                last = name.strip().lower()
                fields[last] = value.strip()
        if fields:
            yield fields


def mirrors_in(name: str, text: str) -> List[Mirror]:
    """The archives of one file of /etc/apt: one-line style in *.list, deb822 in *.sources."""
    found = []
    if name.endswith(".sources"):
        for fields in _deb822(text):
            if fields.get("enabled", "yes") == "no" or "deb" not in fields.get("types", "").split():
                continue
            suites = tuple(fields.get("suites", "").split())
            found += [Mirror(uri, suites) for uri in fields.get("uris", "").split()]
    else:
        for line in text.splitlines():
            entry = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
            if entry:
                found.append(Mirror(entry[1], (entry[2],)))
    return found


def mirrors(root: str = "/etc/apt") -> List[Mirror]:
    """Every archive that the machine's apt knows."""
    paths = [os.path.join(root, "sources.list")]
    parts = os.path.join(root, "sources.list.d")
    if os.path.isdir(parts):
        paths += sorted(os.path.join(parts, name) for name in os.listdir(parts))
    found = []
    for path in paths:
        if path.endswith((".list", ".sources")) and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found += mirrors_in(path, file.read())
    return found


def uri_of(suite: str, known: List[Mirror]) -> str:
    """Where `suite` is to be had: at the machine's mirror of Debian, or at that of its security updates."""
    security = suite.endswith("-security")
    for mirror in known:
        last = mirror.uri.rstrip("/").rsplit("/", 1)[-1]
        if last == ("debian-security" if security else "debian"):
            return mirror.uri
    if security:
        plain = uri_of(suite[: -len("-security")], known)
        return plain.rstrip("/") + "-security"
    raise CannotFetch("the machine's apt knows no mirror of Debian (none in /etc/apt ends in /debian)")


def newest(kernel: Kernel, search_output: str) -> Optional[Tuple[str, str]]:
    """(package, release) of the newest kernel in what `apt-cache search --names-only` printed."""
    found = []
    for line in search_output.splitlines():
        package = line.split(" - ", 1)[0].strip()
        release = kernel.release_of(package)
        if release:
            found.append(([int(number) for number in re.findall(r"\d+", release)], package, release))
    if not found:
        return None
    _, package, release = max(found)
    return package, release


class Suite:
    """A suite of Debian with a sources file and package lists of its own, below `folder`."""

    def __init__(self, name: str, folder: str, known: Optional[List[Mirror]] = None) -> None:
        self.name = name
        self._folder = os.path.join(folder, name)
        self._known = known

    def _options(self) -> List[str]:
        return [
            *("-o", f"Dir::Etc::sourcelist={self._folder}/sources.list"),
            *("-o", "Dir::Etc::sourceparts=/dev/null"),
            *("-o", f"Dir::State::Lists={self._folder}/lists"),
            *("-o", "Acquire::Languages=none"),
            # The cache may lie in a folder that the user _apt cannot enter.
            *("-o", "APT::Sandbox::User=root"),
            "-q",
        ]

    def _run(self, *command: str, folder: Optional[str] = None) -> str:
        try:
            done = subprocess.run(
                [command[0], *self._options(), *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=900,
                check=False,
            )
        except FileNotFoundError:
            raise CannotFetch(
                f"{command[0]} is not here: the lab fetches kernels on Debian and its kin"
            ) from None
        except subprocess.TimeoutExpired:
            raise CannotFetch(f"{' '.join(command)} ({self.name}) gave no answer in 15 minutes") from None
        if done.returncode != 0:
            told = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
            said = "; ".join(told[-3:]) or done.stderr.strip()[-300:] or f"exit status {done.returncode}"
            raise CannotFetch(f"{' '.join(command)} ({self.name}): {said}")
        return done.stdout

    def update(self) -> None:
        """Fetches the suite's package lists."""
        os.makedirs(os.path.join(self._folder, "lists", "partial"), exist_ok=True)
        known = mirrors() if self._known is None else self._known
        signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
        with open(os.path.join(self._folder, "sources.list"), "w", encoding="utf-8") as file:
            file.write(f"deb {signed}{uri_of(self.name, known)} {self.name} main\n")
        self._run("apt-get", "update", "--error-on=any")

    def search(self, pattern: str) -> str:
        """What `apt-cache search --names-only PATTERN` prints."""
        return self._run("apt-cache", "search", "--names-only", pattern)

    def download(self, package: str, folder: str) -> str:
        """Fetches one package into `folder`; the path of the file."""
        os.makedirs(folder, exist_ok=True)
        before = set(os.listdir(folder))
        self._run("apt-get", "download", package, folder=folder)
        new = [name for name in set(os.listdir(folder)) - before if name.endswith(".deb")]
        if not new:
            new = [
                name
                for name in os.listdir(folder)
                if name.startswith(package + "_") and name.endswith(".deb")
            ]
        if len(new) != 1:
            raise CannotFetch(f"apt-get download {package} left {len(new)} packages")
        return os.path.join(folder, new[0])


def unpack(deb: str, folder: str) -> None:
    """Unpacks a package without running its scripts."""
    if not shutil.which("dpkg-deb"):
        raise CannotFetch("dpkg-deb is not here: the lab unpacks kernels on Debian and its kin")
    done = subprocess.run(["dpkg-deb", "-x", deb, folder], stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise CannotFetch(f"dpkg-deb -x {deb}: {done.stderr.decode(errors='replace').strip()[-300:]}")


def version_of(deb: str) -> str:
    """The version that a package says it has."""
    return subprocess.check_output(["dpkg-deb", "-f", deb, "Version"], universal_newlines=True).strip()
