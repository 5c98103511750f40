"""Takes secrets out of texts for people: values that are known, and values that stand beside a telling name.

What is not found: a value that its writer cut or wrapped at places of his own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from airbyte_workers.spellings import SLASHES, WIDEST, expression

MASK = "**********"
SHORTEST = 4
"""Characters. A shorter value cannot be told from ordinary text and stays; asterisks and white space at a value's ends
are not looked for and do not count."""
SHORTEST_LINE = 8
"""Characters. Logs are written line by line: a line of a longer value is looked for by itself from this length on."""
DESTINATION = "destination"
"""The leg that quotes data when it fails."""
_LISTED = """
password passwd pwd passphrase userpassword dbpassword tunneluserpassword keypassword privatekeypassword
clientkeypassword secret secrets apisecret appsecret clientsecret consumersecret sharedsecret signingsecret
webhooksecret secretkey apisecretkey secretaccesskey awssecretaccesskey hmackeysecret token tokens accesstoken
refreshtoken idtoken authtoken apitoken bearertoken oauthtoken personaltoken personalaccesstoken privatetoken
developertoken securitytoken sessiontoken awssessiontoken sastoken tokensecret accesstokensecret apikey xapikey
apikeysecret accesskey accountkey storageaccountkey azureblobstorageaccountkey sharedaccesskey encryptionkey
signingkey subscriptionkey privatekey sshkey clientkey credentialsjson serviceaccountinfo serviceaccountjson
serviceaccountkey authorization proxyauthorization cookie setcookie connectionstring
"""
TELLING_NAMES = frozenset(_LISTED.split())
"""Names of properties whose values are secret whoever uses them; `_`, `-` and upper case do not count."""

_PIECE = 2_000  # characters; a longer value is looked for in pieces, so that who cuts a text need not look further
_REACH = 1_000
CUT = " [cut]"
"""Stands behind what is left of a text that was too long."""
LONGEST_REACH = _REACH + WIDEST * _PIECE
"""The `reach` of a redactor, whatever it will have to learn."""
_OVERLAP = 8  # characters that two pieces share: in base64 the edges of each are not found
_ENDS = "* \t\r\n\v\f"
_KEY = re.compile(rf"""(?<!\\)(\\{{0,{SLASHES}}}+)(["'])([^"'\\]{{1,100}}+)\1\2\s*+:\s*+""")
_PARAMETER = re.compile(r"(?<![\w-])([\w-]{1,100}+)(?:=|\\++u003[dD])")
_QUOTE = re.compile(r"""[bBuU]?(\\*+)(["'])""")
_CLOSING = {quote: re.compile(rf"(?<!\\)(\\*+){quote}") for quote in "\"'"}
_NUMBER = re.compile(r"-?\d[\w.+-]*")
_WORD = re.compile(r"""[^\s&;"'\\<>]+""")
_BETWEEN = re.compile(r"""[^][{"'\\]++|\\++(?!["'])""")
_DATA = re.compile(r"Received invalid message:|\bvalues\s*+\(", re.IGNORECASE)


class _Span(NamedTuple):
    start: int
    end: int
    mask: str = MASK


class Redactor:
    """Masks the `secrets` of one job, and the values of properties with one of the `names` or a telling name.

    `reach`: so many characters behind a cut decide about what stands before it. `pupil` learns what this one learns.
    """

    def __init__(
        self, secrets: Iterable[str] = (), *, names: Iterable[str] = (), pupil: Redactor | None = None
    ) -> None:
        self._names = (TELLING_NAMES | {folded(name) for name in names}) - {""}
        self._pupil = pupil
        self._given = tuple(secrets)
        self._learned: dict[str, None] = {}
        self._look_for(self._given)

    def learn(self, secrets: Iterable[str], most: int) -> None:
        """Mask these too from now on; of all that was learned only the newest `most` are."""
        learned = dict.fromkeys(each for each in secrets if each not in self._given)
        if self._pupil is not None:
            self._pupil.learn(learned, most)
        if learned.keys() <= self._learned.keys():
            return
        kept = [each for each in self._learned if each not in learned]
        self._learned = dict.fromkeys([*kept, *learned][-most:])
        self._look_for((*self._given, *self._learned))

    def _look_for(self, secrets: Iterable[str]) -> None:
        values = _values(secrets, self._names)
        self._known = expression(values) if values else None
        self.reach = _REACH + WIDEST * max(map(len, values), default=0)

    def __call__(self, text: str, *, leg: str = "", limit: int | None = None) -> str:
        """The text without secrets; of a destination's, without what it quotes of the data it was given.

        With a `limit` only its first so many characters: a secret that stands across their end is masked whole.
        """
        end = len(text) if limit is None else min(limit, len(text))
        seen = text[: end + self.reach]
        spans: list[_Span] = []
        if self._known is not None and (first := self._known.search(seen)):
            spans += _all_from(first, seen)
        if ":" in seen or "=" in seen or "\\u003" in seen:
            spans += self._named_in(seen)
        if leg == DESTINATION and (quoting := _DATA.search(seen)):
            spans.append(_Span(quoting.end(), len(seen)))
        return _masked(seen, spans, end) if spans else text[:end]

    def cut(self, text: str, limit: int, *, leg: str = "") -> tuple[str, bool]:
        """The text without secrets, of `limit` characters at most, and whether it is whole.

        Redacted, then cut: the other way round a part of a secret could stay. Half a surrogate pair, which cannot be
        written, becomes a question mark.
        """
        shown = self(text, leg=leg, limit=limit)
        if not shown.isascii():
            shown = shown.encode(errors="replace").decode()
        whole = max(len(text), len(shown)) <= limit
        return (shown if whole else shown[: limit - len(CUT)] + CUT), whole

    def _named_in(self, text: str) -> Iterator[_Span]:
        for key in _KEY.finditer(text) if ":" in text else ():
            if folded(key[3]) in self._names:
                yield from _value_of(text, key)
        for parameter in _PARAMETER.finditer(text) if "=" in text or "\\u003" in text else ():
            name = folded(parameter[1])
            if name in self._names or name.endswith("apikey"):
                yield from _argument_of(text, parameter)


def folded(name: str) -> str:
    """A property's name as names are compared: without what only spells it, `apiKey` and `API-key` alike."""
    return name.replace("_", "").replace("-", "").casefold()


def _masked(text: str, spans: list[_Span], end: int) -> str:
    """The text up to `end` with each span masked; those that overlap together, one across the end whole."""
    pieces: list[str] = []
    at = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            break
        if span.end <= at or span.start == span.end:
            continue
        if span.start >= at:
            pieces += (text[at : span.start], span.mask)
        at = span.end
    return "".join((*pieces, text[at:end]))


# --- values that are known ------------------------------------------------------------------------------------------


def _all_from(found: re.Match[str] | None, text: str) -> Iterator[_Span]:
    """This place of a known value and every later one, also of those that overlap: of the second a part would stay."""
    while found is not None:
        yield _Span(*found.span())
        found = found.re.search(text, found.start() + 1)


def _values(secrets: Iterable[str], names: frozenset[str]) -> set[str]:
    """What to look for: each secret, its lines, what is secret inside of one that is JSON; all in pieces where long."""
    found: set[str] = set()
    for secret in secrets:
        value = secret.strip(_ENDS)
        lines = (line.strip(_ENDS) for line in value.splitlines())
        wanted = [value] if len(value) >= SHORTEST else []
        for each in (*wanted, *(line for line in lines if len(line) >= SHORTEST_LINE)):
            last = max(0, len(each) - _PIECE)
            found.update(each[min(start, last) :][:_PIECE] for start in range(0, len(each), _PIECE - _OVERLAP))
        if value.startswith(("{", "[")):
            found |= _values(_secrets_inside(value, names), names)
    return found


def _secrets_inside(value: str, names: frozenset[str]) -> list[str]:
    """A program that was given JSON speaks of its members, e.g. of a service account's private key."""
    try:
        waiting: list[tuple[str, Any]] = [("", json.loads(value))]
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    while waiting:
        name, member = waiting.pop()
        if isinstance(member, dict):
            waiting += member.items()
        elif isinstance(member, list):
            waiting += [(name, item) for item in member]
        elif isinstance(member, str) and folded(name) in names:
            found.append(member)
    return found


# --- values beside a telling name -----------------------------------------------------------------------------------


def _value_of(text: str, key: re.Match[str]) -> Iterator[_Span]:
    """A property's value if it is a string, a number, or a list of those; cut off, all that is left of it."""
    start = key.end()
    if quote := _QUOTE.match(text, start):
        yield _Span(quote.end(), _string_end(text, quote))
    elif number := _NUMBER.match(text, start):
        yield _Span(*number.span(), key[1] + key[2] + MASK + key[1] + key[2])
    elif text.startswith("[", start) and (end := _list_end(text, start, len(key[1]))) > start + 2:
        yield _Span(start, end, key[1] + key[2] + MASK + key[1] + key[2])


def _argument_of(text: str, parameter: re.Match[str]) -> Iterator[_Span]:
    """What follows an equals sign: a word, or a quoted string; but a quote behind an empty `?name=` ends the URL."""
    in_url = text.endswith(("?", "&"), 0, parameter.start())
    quote = None if in_url else _QUOTE.match(text, parameter.end())
    if quote is not None:
        yield _Span(quote.end(), _string_end(text, quote))
    elif word := _WORD.match(text, parameter.end()):
        yield _Span(*word.span())


def _string_end(text: str, quote: re.Match[str]) -> int:
    """Where a string ends: at its closing quote, at that of a string around it, or with the text.

    Of a string whose quotes stand behind n backslashes, a quote behind 2n + 1 is a part.
    """
    own = len(quote[1])
    for closing in _CLOSING[quote[2]].finditer(text, quote.end()):
        slashes = len(closing[1])
        if slashes < own:
            return closing.start()
        if slashes % (2 * own + 2) == own:
            return closing.end() - 1 - own
    return len(text)


def _list_end(text: str, start: int, level: int) -> int:
    """Where a list of strings and numbers (and of such lists) ends, or what is left of it; -1 if it holds an object.

    `level`: the backslashes in front of its own quotes; one behind fewer ends a string around it.
    """
    depth, at = 0, start
    while at < len(text):
        if quote := _QUOTE.match(text, at):
            end = _string_end(text, quote)
            closing = quote[1] + quote[2]
            if len(quote[1]) < level or not text.startswith(closing, end):
                return at if len(quote[1]) < level else end
            at = end + len(closing)
        elif between := _BETWEEN.match(text, at):
            at = between.end()
        elif text[at] == "{":
            return -1
        else:
            depth += 1 if text[at] == "[" else -1
            at += 1
            if not depth:
                return at
    return len(text)
