"""``/proc/cmdline``: the parameters that the kernel was booted with.

Documented in Documentation/admin-guide/kernel-parameters.rst; taken apart as next_arg in lib/cmdline.c does.
A double quote protects blanks, around a whole parameter or around its value, and cannot be escaped. ``-`` and
``_`` are the same in a parameter's name. What follows ``--`` is for init, and the kernel does not look at it.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["CmdLine", "Parameter", "parse_cmdline"]


class Parameter(NamedTuple):
    """One parameter; ``value`` is ``None`` without an equals sign, and empty with nothing behind it."""

    name: str
    value: Optional[str]


class CmdLine(NamedTuple):
    """All parameters in their order; one may occur more than once (``console=``)."""

    parameters: Tuple[Parameter, ...]
    init_arguments: Tuple[str, ...]
    problems: Tuple[Problem, ...] = ()

    def last(self, name: str) -> Optional[Parameter]:
        """Return the last parameter of that name, which is mostly the one that counts.

        >>> parse_cmdline(b"psi=0 quiet psi=1\\n").last("psi")
        Parameter(name='psi', value='1')
        """
        wanted = name.replace("-", "_")
        for parameter in reversed(self.parameters):
            if parameter.name.replace("-", "_") == wanted:
                return parameter
        return None


_ARGUMENT = re.compile(rb'(?:"[^"]*(?:"|$)|[^\s"])+')


def parse_cmdline(data: bytes, path: str = "/proc/cmdline") -> CmdLine:
    r"""Parse the kernel's command line.

    >>> parsed = parse_cmdline(b'quiet dyndbg="file a.c +p" -- --verbose\n')
    >>> parsed.parameters
    (Parameter(name='quiet', value=None), Parameter(name='dyndbg', value='file a.c +p'))
    >>> parsed.init_arguments
    ('--verbose',)
    """
    problems: List[Problem] = []
    # A newline inside is a blank like any other: a boot loader may have put it there.
    text = b"\n".join(line for _, line in complete_lines(data, path, problems))
    if not data:
        problems.append(problem(path, 1, data, "the kernel's parameters"))
    arguments = [_parse_argument(token) for token in _ARGUMENT.findall(text)]
    separator = Parameter("--", None)
    end = arguments.index(separator) if separator in arguments else len(arguments)
    for_init = tuple(name if value is None else f"{name}={value}" for name, value in arguments[end + 1 :])
    return CmdLine(tuple(arguments[:end]), for_init, tuple(problems))


def _parse_argument(token: bytes) -> Parameter:
    quoted = token[:1] == b'"'
    body = token[1:] if quoted else token
    equals = body.find(b"=", 1)
    if equals == -1:
        return Parameter(decode(_without_quote(body) if quoted else body), None)
    value = body[equals + 1 :]
    if value[:1] == b'"':
        value = _without_quote(value[1:])
    elif quoted:
        value = _without_quote(value)
    return Parameter(decode(body[:equals]), decode(value))


def _without_quote(text: bytes) -> bytes:
    return text[:-1] if text[-1:] == b'"' else text
