"""MD2, which Python's hashlib lacks (RFC 1319). Broken as a hash; here because upstream offers it."""

from __future__ import annotations

_BLOCK = 16
_ROUNDS = 18
# The permutation of RFC 1319, section 3.2, made of the digits of pi.
_PI = bytes.fromhex(
    "292e43c9a2d87c013d3654a1ecf0061362a705f3c0c7738c98932bd9bc4c82ca"
    "1e9b573cfdd4e01667426f188a17e512be4ec4d6da9ede49a0fbf58ebb2fee7a"
    "a968799115b2073f94c210890b225f21807f5d9a5a903227353ecce7bff79703"
    "ff1930b348a5b5d1d75e922aac56aac64fb838d296a47db676fc6be29c7404f1"
    "459d705964718720865bcf65e62da8021b6025adaeb0b9f61c46616934407e0f"
    "5547a323dd51af3ac35cf9cebac5ea262c530d6e85288409d3dfcdf441814d52"
    "6adc37c86cc1abfa24e17b080cbdb14a7888958be363e86de9cbd5fe3b001d39"
    "f2efb70e6658d0e4a67772f8eb754b0a314450b48fed1f1adb998d339f118314"
)


def md2(content: bytes) -> bytes:
    """The 16 bytes of the digest."""
    missing = _BLOCK - len(content) % _BLOCK
    padded = content + bytes([missing]) * missing
    state = bytearray(_BLOCK)
    for start in range(0, len(padded), _BLOCK):
        state = _compressed(state, padded[start : start + _BLOCK])
    return bytes(_compressed(state, _checksum(padded)))


def _checksum(padded: bytes) -> bytes:
    checksum = bytearray(_BLOCK)
    last = 0
    for position, byte in enumerate(padded):
        place = position % _BLOCK
        last = checksum[place] ^ _PI[byte ^ last]
        checksum[place] = last
    return bytes(checksum)


def _compressed(state: bytearray, block: bytes) -> bytearray:
    mixed = bytearray(a ^ b for a, b in zip(state, block, strict=True))
    work = state + block + mixed
    last = 0
    for turn in range(_ROUNDS):
        for place in range(len(work)):
            last = work[place] ^ _PI[last]
            work[place] = last
        last = (last + turn) % 256
    return work[:_BLOCK]
