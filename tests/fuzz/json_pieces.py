"""Pieces of JSON as odd connectors write them: values, names and objects in many spellings, all from one dice."""

from __future__ import annotations

import json
from random import Random

Pairs = list[tuple[bytes, bytes]]
SOUND_VALUES = [
    b"1",
    b"0",
    b"-0",
    b"-12.50",
    b"1e5",
    b"1E-7",
    b"1e999",
    b"9223372036854775808123",
    b"1234567890.12345678901234567890",
    b"9" * 400,
    b"true",
    b"null",
    b'""',
    b'"x"',
    b'"a longer text, with a comma: and a colon"',
    '"żółw 🐢 \u2028"'.encode(),
    b'"\\u017c\\ud83d\\udc22"',
    b'"\\n\\t\\\\\\"\\/ \\u0000"',
    b'"\x7f"',
    b'"{\\"type\\":\\"RECORD\\",\\"record\\":{}}"',
    b"[]",
    b"{}",
    b"[1,  [2, {}]]",
    b'{"a":{"b":[1,2,{"c":null}]}}',
    b'{"type":"STATE","state":{"data":{}}}',
    b'{"a":1,"a":2}',
    b"[" * 80 + b"]" * 80,
    b'{"id":7,"sourceStats":{"recordCount":3}}',
]
HALF_PAIRS = [b'"\\ud83d"', b'"\\udc22 x"', b'"\\ud83d\\u0041"', b'{"\\ud800":1}']
FIELD_NAMES = ("f0", "f1", "f2", "n", "t", "half", "żółw", 'say "x"\\')
TEXTS_OF_VALUES = ("active", "null", "1", "-12.50", "true", "", "x", "[1,  [2, {}]]", '\n\t\\"/ \0', "{}")
ROW_VALUES = [
    *(b"null", b"1", b"1.0", b"-12.50", b"1234567890.12345678901234567890", b"9" * 400, b"1e999", b"true", b"false"),
    *(b'"active"', b'"active"', b'"\\u0061ctive"', b'"active "', b'""', b'"null"', b'"1"', b'"x"'),
    *(b'"\\n\\t\\\\\\"\\/ \\u0000"', '"żółw 🐢 \u2028"'.encode(), b'"\\u017c\\ud83d\\udc22"'),
    *(b"[1,  [2, {}]]", b"{}", b'{ "a": 1, "a": {"b": null} }', b'{"type":"STATE","state":{"data":{}}}'),
]
UNSOUND_VALUES = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"[1,NaN]",
    b'"\x01"',
    b'"\xc3\x28"',
    b'"\xed\xa0\x80"',
    b"01",
    b"1.",
    b".5",
    b"+1",
    b'"\\x"',
    b'"\\u12g4"',
    b"'x'",
    b"yes",
    b"[1,]",
    b"[" * 3000 + b"]" * 3000,
    b'"\x00"',
    b"",
]
SPACES = [b"", b"", b"", b" ", b"  ", b"\t", b" \t "]


def value(dice: Random) -> bytes:
    """A value that every parser takes."""
    return dice.choice(SOUND_VALUES) if dice.random() < 0.7 else b"%d" % dice.randrange(10**12)


def text(content: str) -> bytes:
    """A string, all of it in ASCII or none."""
    return json.dumps(content, ensure_ascii=len(content) % 2 == 0).encode()


def fields(dice: Random, most: int = 4) -> bytes:
    """An object like a row: a few members."""
    return plain({b"f%d" % n: value(dice) for n in range(dice.randrange(most + 1))})


def plain(members: dict[bytes, bytes]) -> bytes:
    """An object as most writers write it."""
    return b"{" + b",".join(b'"%s":%s' % pair for pair in members.items()) + b"}"


def spelt(dice: Random, members: dict[bytes, bytes]) -> bytes:
    """An object: mostly as most writers write it, else in another order, with spaces, escapes and twins."""
    if dice.random() < 0.75:
        return plain(members)
    pairs = [(_key(dice, name), each) for name, each in members.items()]
    if dice.random() < 0.5:
        dice.shuffle(pairs)
    if pairs and dice.random() < 0.15:
        pairs.insert(0, dice.choice(pairs))
    if dice.random() < 0.2:
        pairs.insert(dice.randrange(len(pairs) + 1), (b'"x_%d"' % dice.randrange(3), value(dice)))
    between = [dice.choice(SPACES) for _ in range(4)]
    colon = between[0] + b":" + between[1]
    return b"{" + between[2] + (between[3] + b",").join(name + colon + each for name, each in pairs) + between[2] + b"}"


def _key(dice: Random, name: bytes) -> bytes:
    if name and dice.random() < 0.05:
        at = dice.randrange(len(name))
        return b'"%s\\u%04x%s"' % (name[:at], name[at], name[at + 1 :])
    return b'"%s"' % name
