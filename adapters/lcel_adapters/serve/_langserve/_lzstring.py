"""The decoder of lz-string, in whose alphabet LangServe's playground writes a configuration into a path.

The format is Pieroxy's ``compressToEncodedURIComponent``: six bits a character, a dictionary that grows as it is read.
The package of that name on the registry is of 2018 and needs ``future``; LangServe carries a copy of it. What is needed
here is one function, and a bound on what a short path can grow to.
"""

from __future__ import annotations

from collections.abc import Callable

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-$"
_VALUES = {character: format(index, "06b") for index, character in enumerate(_ALPHABET[:64])} | {"$": ""}
_BYTE, _UNIT, _END = 0, 1, 2
LIMIT = 1_000_000
"""How many characters a decoded text has at most."""


def decompress(text: str, limit: int = LIMIT) -> str:
    """The text that JavaScript's ``compressToEncodedURIComponent`` compressed.

    Args:
        text: What was in a path; a space stands for a plus sign, as forms have it.
        limit: How many characters the result may have.

    Raises:
        ValueError: If this is not compressed text, or decodes to more than ``limit`` characters.
    """
    try:
        units = _units(_reader("".join(_VALUES[c] for c in text.replace(" ", "+"))), limit)
    except (KeyError, IndexError) as error:
        raise ValueError("not a text compressed by lz-string") from error
    # JavaScript counts UTF-16 units: a character beyond U+FFFF came as two of them.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _reader(bits: str) -> Callable[[int], int]:
    """What reads a number of so many bits, the least significant first."""
    at = 0

    def read(width: int) -> int:
        nonlocal at
        at += width
        if at > len(bits):
            raise IndexError("the text ends within a code")
        return int(bits[at - width : at][::-1], 2)

    return read


def _units(read: Callable[[int], int], limit: int) -> str:
    first = _literal(read, read(2))
    if first is None:
        return ""
    # The first three codes say what follows: a byte, a unit of 16 bits, the end.
    known = ["", "", "", first]
    found, last, length = [first], first, 1
    while (entry := _next(read, known, last)) is not None:
        length += len(entry)
        if length > limit:
            raise ValueError(f"the text decodes to more than {limit} characters")
        found.append(entry)
        known.append(last + entry[0])
        last = entry
    return "".join(found)


def _next(read: Callable[[int], int], known: list[str], last: str) -> str | None:
    # A code is as wide as the number of the entry that is about to be made.
    code = read(len(known).bit_length())
    if code > _END:
        return known[code] if code < len(known) else _unfinished(code, known, last)
    literal = _literal(read, code)
    if literal is not None:
        known.append(literal)
    return literal


def _unfinished(code: int, known: list[str], last: str) -> str:
    """The entry that is being made may be named already: it begins and ends with the same character."""
    if code != len(known):
        raise IndexError("a code that nothing was given")
    return last + last[0]


def _literal(read: Callable[[int], int], code: int) -> str | None:
    if code == _END:
        return None
    return chr(read(8 if code == _BYTE else 16))
