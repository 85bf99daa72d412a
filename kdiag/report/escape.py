r"""Names are hostile text: whoever names a process, a mount or an interface must not write to our reader.

:func:`printable` comes first in every format but JSON: what it returns is one line in which each character
shows, so no name can move a cursor, start a line or turn the reading direction. The formats add their own
marks to that. A backslash is left as it is (systemd's unit names are full of ``\x2d``), so text that was
escaped cannot be told from text that looked so; JSON keeps the name itself.
"""

import re

__all__ = ["encodable", "markdown", "markdown_code", "nagios", "printable", "unicode_only"]

# The patterns below are left to re's own cache: compiling them at import would cost every start.

#: ``surrogateescape`` keeps a byte 0x80..0xFF that is not UTF-8 as U+DC80..U+DCFF.
_BYTE_SURROGATES = range(0xDC80, 0xDD00)
_SURROGATES = "[\ud800-\udfff]"
#: What Python takes for printable and a terminal shows as nothing: joiners, fillers, variation selectors.
_INVISIBLE = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MARKDOWN = r"[\\`*_\[\]<>|~&#$]"
#: What makes a paragraph something else: a list item, a rule, the underline of a heading.
_BLOCK = r"^[0-9]*(?=[-+.)] )|^(?=[-=]{2,}$)"
_BACKTICKS = "`+"
_NAGIOS = "[|;]"


def printable(text: str) -> str:
    r"""Return ``text`` as one line of characters that all show.

    Control characters, and bytes that are not UTF-8, become ``\xNN``; format characters (bidirectional,
    zero-width), odd blanks and what this Python does not know become ``\uNNNN``.

    >>> print(printable("evil\x1b[31m\nname"))
    evil\x1b[31m\x0aname
    >>> print(printable(b"caf\xe9".decode("utf-8", "surrogateescape")), printable("\u202eexe.txt"))
    caf\xe9 \u202eexe.txt
    """
    if text.isascii():
        if text.isprintable():
            return text
    else:
        text = re.sub(_INVISIBLE, lambda match: _escaped(match.group()), text)
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def encodable(text: str, encoding: str) -> str:
    r"""Return ``text`` with ``\uNNNN`` for what ``encoding`` has no character for.

    >>> print(encodable("größe 木", "latin-1"))
    größe \u6728
    """
    return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)


def unicode_only(text: str) -> str:
    r"""Return ``text`` with ``\xNN`` for bytes that are not UTF-8, and everything else as it is: for JSON.

    >>> print(unicode_only(b"caf\xe9 \xe6\x9c\xa8".decode("utf-8", "surrogateescape")))
    caf\xe9 木
    """
    return text if text.isascii() else re.sub(_SURROGATES, lambda match: _escaped(match.group()), text)


def markdown(text: str) -> str:
    r"""Return one line of Markdown that shows ``text``, also in a table or as a paragraph of its own.

    >>> print(markdown("a|b <img> *c*"), markdown("- item"), markdown("1. item"))
    a\|b \<img\> \*c\* \- item 1\. item
    """
    shown = re.sub(_MARKDOWN, lambda match: "\\" + match.group(), printable(text).strip(" "))
    return re.sub(_BLOCK, lambda match: match.group() + "\\", shown)


def markdown_code(text: str) -> str:
    """Return a code span that shows ``text`` (not for tables: they split at ``|`` first).

    >>> print(markdown_code("cpu  12 `x`"))
    `` cpu  12 `x` ``
    """
    text = printable(text)
    runs = [len(run) for run in re.findall(_BACKTICKS, text)]
    if not text:
        return ""
    fence = "`" * (max(runs, default=0) + 1)
    blank = " " if runs or text != text.strip() else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def nagios(text: str) -> str:
    r"""Return one line without ``|``, where perfdata begins, and without ``;``, which parts its fields.

    >>> print(nagios("mount /a|b;c"))
    mount /a\x7cb\x3bc
    """
    return re.sub(_NAGIOS, lambda match: _escaped(match.group()), printable(text))


def _escaped(char: str) -> str:
    code = ord(char)
    if code in _BYTE_SURROGATES:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
