"""Ask a connector one thing: its spec, a check, its streams."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.seen import AnswerSeen
from airbyte_workers.orchestrator.answer_shapes import ANSWERS, read_answer
from airbyte_workers.replication.decoding import sniff_line

_LONGEST = 300  # characters of what a check says


async def ask(bench: Bench, asked: Asked) -> AnswerSeen:
    """The first answer is the answer, as for the sidecar, whatever else comes. Raises LaunchFailed."""
    shapes = ANSWERS[asked.command]
    limit = bench.settings.connector_test_timeout_s
    answer: Mapping[str, Any] | None = None
    async with bench.running(asked) as trial:
        async with aclosing(trial.lines(until=limit)) as lines:
            async for line in lines:
                sniffed = sniff_line(line)
                shape = shapes.get(sniffed.type) if sniffed is not None else None
                if shape is None:
                    trial.ear.line(line, sniffed)
                elif answer is None:
                    answer = read_answer(line, shape)
        ended = await trial.end()
        return AnswerSeen(_told(bench, asked, answer), ended, trial.talk)


def _told(bench: Bench, asked: Asked, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a check says is words, which may hold a secret; the other answers are data."""
    if answer is None or not isinstance(answer.get("message"), str):
        return answer
    message, _ = bench.redact.cut(" ".join(answer["message"].split()), _LONGEST, leg=asked.leg)
    return {**answer, "message": message}
