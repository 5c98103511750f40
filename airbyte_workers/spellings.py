"""How a value is spelt in texts: as it is, in JSON (in JSON ...), in a URL, by Python, in XML, in base64.

Each character is looked for in all its spellings, so mixtures of them are found too.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator

WIDEST = 16
"""Characters into which a spelling turns one; several on top of each other can make more, but not of a whole value."""
SLASHES = 15  # backslashes in front of a quote that is four JSON strings deep
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0"}
_ENTITIES = {"&": "amp|#38", "<": "lt|#60", ">": "gt|#62", '"': "quot|#34|#x22", "'": "apos|#39|#x27"}
_PERCENT = "%(?:25){0,3}"  # a percent sign is spelt so itself, in a URL in a URL


def expression(values: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the values; of those that begin at the same place, the longest."""
    ordered = sorted(values, key=len, reverse=True)
    spelt = [_spelt(value) for value in ordered]
    spelt += [each for value in ordered for each in _in_base64(value)]
    rests: dict[str, dict[str, None]] = {}  # by what they begin with: two times faster than one long list
    for first, *rest in spelt:
        rests.setdefault(first, {})["".join(rest)] = None
    return re.compile("|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in rests.items()))


def _spelt(value: str) -> list[str]:
    pairs: list[tuple[str, str]] = re.findall(r"(\\*)([^\\]|\Z)", value.replace("\r\n", "\n"))
    return [_character(len(slashes), char) for slashes, char in pairs if slashes or char]


def _character(slashes: int, char: str) -> str:
    """A character behind so many backslashes, in every spelling of both; as it is comes last, being the shortest.

    Backslashes multiply with each string around them. They are taken all at once (`}+`): what follows is never one. No
    text fits two spellings: what nearly fits the value would be tried in all combinations of them.
    """
    if not slashes and char.isascii() and (char.isalnum() or char in "_.-"):
        return re.escape(char)
    most = SLASHES * (slashes + 1)
    in_strings, in_urls = rf"\\{{{slashes},{most}}}+", rf"(?:{_PERCENT}5[cC]){{{slashes}}}"
    spellings = [rf"\\{{{slashes + 1},{most}}}+{escape}" for escape in _escapes(char)]
    spellings.append(f"{in_urls}(?:{_percent(char)}{'|' + re.escape(char) if slashes else ''})")
    if char == " ":
        spellings.append(in_urls + r"\+")
    if char in _ENTITIES:
        spellings.append(f"{in_strings}&(?:{_ENTITIES[char]});")
    spellings.append(in_strings + re.escape(char))
    carriage_return = f"{_character(0, chr(13))}?" if char == "\n" and not slashes else ""
    return f"{carriage_return}(?:{'|'.join(spellings)})"


def _escapes(char: str) -> Iterator[str]:
    """What follows a backslash in JSON, and in what Python shows of a str and of bytes."""
    if not char:
        return
    if char in _LETTERS:
        yield _LETTERS[char]
    units = char.encode("utf-16-be", "surrogatepass")
    yield r"\\++".join("u" + _hex(units[at : at + 2]) for at in range(0, len(units), 2))
    yield r"\\++".join("x" + _hex(bytes([byte])) for byte in char.encode(errors="surrogatepass"))
    if not char.isascii():
        yield f"x{_hex(bytes([ord(char)]))}" if ord(char) < 256 else f"U{_hex(ord(char).to_bytes(4, 'big'))}"


def _percent(char: str) -> str:
    return "".join(_PERCENT + _hex(bytes([byte])) for byte in char.encode(errors="surrogatepass"))


def _hex(data: bytes) -> str:
    return "".join(digit if digit.isdigit() else f"[{digit}{digit.upper()}]" for digit in data.hex())


_PLUS = rf"(?:[+-]|\\++u002[bB]|{_percent('+')})"
_SLASH = rf"(?:[/_]|\\++/|{_percent('/')})"


def _in_base64(value: str) -> Iterator[list[str]]:
    """What every base64 text with the value in it holds, wherever it begins there; also as it stands in JSON there.

    At its edges a character may be partly a neighbour's: those are left out, at most half a byte of the value stays.
    """
    spellings = {value, *(json.dumps(value, ensure_ascii=only_ascii)[1:-1] for only_ascii in (True, False))}
    for data in (spelling.encode(errors="surrogatepass") for spelling in sorted(spellings)):
        for before, shared in ((0, 0), (1, 2), (2, 3)):  # a neighbour's bytes, and the characters they have a part in
            whole = (before + len(data)) * 4 // 3
            text = b64encode(bytes(before) + data).decode()[shared:whole]
            yield [{"+": _PLUS, "/": _SLASH}.get(char, char) for char in text]
