"""What is tried with a destination."""

from __future__ import annotations

from airbyte_workers.conformance import feed, judging_all, judging_destinations, writing
from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.judging_destinations import took_all
from airbyte_workers.conformance.questions import Questions
from airbyte_workers.conformance.seen import Feeding, WriteSeen
from airbyte_workers.conformance.tried import Tried
from airbyte_workers.conformance.verdicts import Line
from airbyte_workers.conformance.writing import Given
from airbyte_workers.protocol.messages import serialise

LINES = (
    *(Line.WRITE, Line.END, Line.SIGTERM, Line.BIG_LINE, Line.ACKNOWLEDGED, Line.ORDER, Line.IDS, Line.MOMENT),
    *(Line.DURABILITY, Line.COMPLETE, Line.MEMORY),
)


async def run(bench: Bench, questions: Questions, tried: Tried) -> None:
    """Write to it: a little of everything, then to be told to end, then what a sync may bring as well."""
    asked = questions.asked("write", catalog=serialise(feed.catalog(questions.modes)))
    tried.begin("write")
    seen = await _write(bench, asked, tried, Given(feed.plain()))
    tried.add(*judging_destinations.write(seen))
    tried.begin("SIGTERM")
    told = await writing.tell_to_end(bench, asked, feed.many(bench.settings.connector_test_records))
    tried.add(judging_all.sigterm(told, bench.settings.shutdown_term_period_s))
    if seen.feeding is not Feeding.TAKEN or not took_all(seen):
        tried.skip(LINES, "a plain write did not end well")
        return
    tried.begin("write without COMPLETE statuses")
    unfinished = await _write(bench, asked, tried, Given(feed.plain(2, complete=False)))
    tried.add(judging_destinations.without_complete(unfinished))
    await _big(bench, asked, tried)
    tried.begin("write much")
    much = await _write(bench, asked, tried, Given(feed.many(bench.settings.connector_test_records), tight=False))
    tried.add(judging_all.memory(much.memory))


async def _big(bench: Bench, asked: Asked, tried: Tried) -> None:
    largest_bytes = bench.settings.connector_test_record_bytes
    tried.begin("a record of 1 MB")
    megabyte = await _write(bench, asked, tried, Given(feed.big(feed.MEGABYTE), tight=False))
    largest: WriteSeen | None = None
    if took_all(megabyte):
        tried.begin("the largest record")
        largest = await _write(bench, asked, tried, Given(feed.big(largest_bytes), tight=False))
    tried.add(judging_destinations.big_record(megabyte, largest, largest_bytes))


async def _write(bench: Bench, asked: Asked, tried: Tried, given: Given) -> WriteSeen:
    seen = await writing.write(bench, asked, given)
    tried.heard(seen.talk, seen.records + len(seen.echoes))
    return seen
