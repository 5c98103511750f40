"""What is tried with a source."""

from __future__ import annotations

from activities.pod_specs import STATE
from airbyte_workers.conformance import judging_all, judging_sources, reading
from airbyte_workers.conformance.bench import Asked, Bench
from airbyte_workers.conformance.questions import Questions
from airbyte_workers.conformance.seen import ReadSeen
from airbyte_workers.conformance.tried import Tried
from airbyte_workers.conformance.verdicts import Line, skipped
from airbyte_workers.protocol import generations
from airbyte_workers.protocol.messages import ConfiguredCatalog, serialise

LINES = (
    *(Line.DISCOVER, Line.CATALOG, Line.READ, Line.END, Line.SIGTERM, Line.BIG_LINE, Line.STATES, Line.RESUME),
    *(Line.STATUSES, Line.STREAMS, Line.RECORDS, Line.MEMORY),
)


async def run(bench: Bench, questions: Questions, tried: Tried) -> None:
    """Discover its streams, read all of them, again from the last state, and once more to be told to end."""
    tried.begin("discover")
    discovered = await questions.answer(questions.asked("discover"))
    tried.add(judging_sources.discover(discovered))
    if discovered.answer is None or "streams" not in discovered.answer:
        tried.skip(LINES, "there is no catalog to read with")
        return
    told, catalog = judging_sources.catalog(dict(discovered.answer))
    tried.add(told)
    if catalog is None:
        tried.skip(LINES, "its catalog cannot be read with")
        return
    await _read(bench, questions, tried, generations.for_source(catalog))


async def _read(bench: Bench, questions: Questions, tried: Tried, catalog: ConfiguredCatalog) -> None:
    asked = questions.asked("read", catalog=serialise(catalog))
    tried.begin("read")
    seen = await reading.read(bench, asked, catalog)
    tried.heard(seen.talk, seen.records + seen.states.count)
    tried.add(*judging_sources.read(seen))
    tried.add(judging_sources.longest_line(seen, bench.settings.max_message_bytes), judging_all.memory(seen.memory))
    tried.begin("SIGTERM")
    told = await reading.tell_to_end(bench, asked)
    tried.add(judging_all.sigterm(told, bench.settings.shutdown_term_period_s))
    await _resume(bench, asked, tried, (seen, catalog))


async def _resume(bench: Bench, asked: Asked, tried: Tried, first: tuple[ReadSeen, ConfiguredCatalog]) -> None:
    seen, catalog = first
    state = reading.state_file(seen.states.last)
    if all(each.sync_mode == "full_refresh" for each in catalog.streams):
        tried.add(skipped(Line.RESUME, "no stream of it is incremental"))
    elif state is None:
        tried.add(skipped(Line.RESUME, "it sent no state"))
    elif not _is_worth_resuming(seen):
        tried.add(skipped(Line.RESUME, "its read failed"))
    else:
        tried.begin("read from its last state")
        again = await reading.read(bench, Asked(asked.command, {**asked.files, STATE: state}, asked.leg), catalog)
        tried.heard(again.talk, again.records + again.states.count)
        tried.add(judging_sources.resume(seen, again))


def _is_worth_resuming(seen: ReadSeen) -> bool:
    cut = seen.ended.cut
    return not seen.talk.errors and (seen.ended.is_good or (cut is not None and cut.is_full))
