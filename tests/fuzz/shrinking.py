"""From a run in which the relays disagree to the few lines that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.fuzz.agreement import Difference, Disagreement
from tests.fuzz.relay_runs import run

Check = Callable[[Sequence[bytes]], Difference | None]
MOST_TRIES = 2_000


def difference(lines: Sequence[bytes], seed: object) -> Difference | None:
    """In what the relays disagree about these lines."""
    try:
        run(lines, seed)
    except Disagreement as disagreement:
        return disagreement.difference
    except Exception as error:  # a crash of the relay is what is looked for, too
        return Difference("crash", repr(error), None)
    return None


def smallest(lines: Sequence[bytes], check: Check) -> list[bytes]:
    """As few of the lines as still make the relays disagree in the same thing, in their order."""
    found = check(lines)
    assert found is not None
    left, part, tries = list(lines), max(1, len(lines) // 2), 0
    while part and tries < MOST_TRIES:
        at, shrunk = 0, False
        while at < len(left) and tries < MOST_TRIES:
            fewer = left[:at] + left[at + part :]
            tries += 1
            now = check(fewer)
            if now is not None and now.what == found.what:
                left, shrunk = fewer, True
            else:
                at += part
        part = part if shrunk and part > 1 else part // 2
    return left
