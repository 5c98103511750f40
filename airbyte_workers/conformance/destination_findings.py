"""What can be found of a destination, and what it means for a sync."""

from __future__ import annotations

from enum import unique

from airbyte_workers.conformance.verdicts import Finding, Level, Line, Meaning

_PASS, _WARNING, _FAIL = Level.PASS, Level.WARNING, Level.FAIL


@unique
class Destination(Finding):
    """Findings of destinations."""

    WRITTEN = Meaning(Line.WRITE, _PASS, "it took all of its input, without an error", "It takes what sources send.")
    WRITE_BLOCKED = Meaning(
        Line.WRITE,
        _FAIL,
        "it stopped reading its input",
        "Its syncs hang until acknowledgement_minutes (120) is over, then fail with destination_timeout.",
    )
    WRITE_CLOSED = Meaning(
        Line.WRITE,
        _FAIL,
        "it closed its input while there was more for it",
        "Its syncs fail; if it does not exit either, with destination_did_not_exit after SHUTDOWN_GRACE_PERIOD_S.",
    )
    WRITE_EXITED = Meaning(
        Line.WRITE,
        _FAIL,
        "it ended while there was more for it",
        "Its syncs fail with system_error, also where it exits with 0.",
    )
    WRITE_ERROR = Meaning(Line.WRITE, _FAIL, "an ERROR trace", "The attempt fails with what it says.")
    ENDED = Meaning(Line.END, _PASS, "it exited with 0 after its end of input", "Its syncs end when the data does.")
    END_CRASHED = Meaning(
        Line.END,
        _FAIL,
        "an exit code other than 0 after its end of input",
        "Its syncs fail with system_error, though what it acknowledged is committed.",
    )
    END_HUNG = Meaning(
        Line.END,
        _FAIL,
        "silent after its end of input, and it did not exit",
        "Its syncs wait SHUTDOWN_GRACE_PERIOD_S, stop it, and fail with destination_did_not_exit.",
    )
    END_TALKED = Meaning(
        Line.END,
        _FAIL,
        "it was still at work long after its end of input, and said so",
        "Its syncs wait for acknowledgement_minutes (120) after its last acknowledgement, then fail with "
        "destination_timeout. If it only needs longer, raise AIRBYTE_WORKERS_CONNECTOR_TEST_SAMPLE_S.",
    )
    ACKNOWLEDGED = Meaning(
        Line.ACKNOWLEDGED, _PASS, "every state came back", "Each state is committed as soon as it is acknowledged."
    )
    ACKNOWLEDGED_SOME = Meaning(
        Line.ACKNOWLEDGED,
        _WARNING,
        "the last state of each stream came back, not every one",
        "Enough for a sync to succeed: the last covers the others. One that breaks off keeps less.",
    )
    ACKNOWLEDGED_TWICE = Meaning(
        Line.ACKNOWLEDGED,
        _WARNING,
        "acknowledgements that match no state that waits",
        "They commit nothing and are told as unmatched_ack; no data is lost.",
    )
    ACKNOWLEDGED_NOT_LAST = Meaning(
        Line.ACKNOWLEDGED,
        _FAIL,
        "the last state of a stream did not come back",
        "Its syncs fail with state_unacknowledged, and the next one sends the rest again.",
    )
    ACKNOWLEDGED_NONE = Meaning(
        Line.ACKNOWLEDGED,
        _FAIL,
        "no state came back",
        "Its syncs fail with no_acknowledgement, unless accept_unacknowledged: then nothing proves what was written.",
    )
    ORDERED = Meaning(
        Line.ORDER, _PASS, "in order within each stream", "Streams may overtake one another, as flushes do."
    )
    DISORDERED = Meaning(
        Line.ORDER,
        _WARNING,
        "a state came back after a later one of its stream",
        "The later one has committed it already; the late one is told as unmatched_ack.",
    )
    IDS_KEPT = Meaning(Line.IDS, _PASS, "with their ids", "Each acknowledgement names its state.")
    IDS_LOST = Meaning(
        Line.IDS,
        _WARNING,
        "without their ids",
        "They are matched by content, oldest first: of two equal states the first is taken.",
    )
    IDS_BARE = Meaning(
        Line.IDS,
        _WARNING,
        'bare states such as `{"type":"STREAM"}`, not STATE messages',
        "They count, with a warning in each report that names the connector.",
    )
    EARLY = Meaning(
        Line.MOMENT,
        _PASS,
        "before the end of its input",
        "A sync that breaks off goes on from what was acknowledged.",
    )
    LATE = Meaning(
        Line.MOMENT,
        _WARNING,
        "only after the end of its input",
        "If that is so with much data too, a sync that breaks off begins again from its start.",
    )
    COMPLETE_NEEDED = Meaning(
        Line.COMPLETE,
        _PASS,
        "without COMPLETE statuses it does not end with 0",
        "As it should. It needs them, so leave destination.stream_status at send, the default.",
    )
    COMPLETE_UNUSED = Meaning(
        Line.COMPLETE, _PASS, "it ends with 0 also without COMPLETE statuses", "stream_status: omit would do, too."
    )
    COMPLETE_HUNG = Meaning(
        Line.COMPLETE,
        _FAIL,
        "without COMPLETE statuses it does not end",
        "After a source that failed it waits SHUTDOWN_GRACE_PERIOD_S and has to be stopped.",
    )
    BIG_TAKEN = Meaning(
        Line.BIG_LINE,
        _PASS,
        "it took a record of 1 MB and one of AIRBYTE_WORKERS_CONNECTOR_TEST_RECORD_BYTES",
        "Large records arrive.",
    )
    BIG_LIMITED = Meaning(
        Line.BIG_LINE,
        _WARNING,
        "it took a record of 1 MB and not one of AIRBYTE_WORKERS_CONNECTOR_TEST_RECORD_BYTES",
        "A source with a record as large fails each sync into it.",
    )
    BIG_REFUSED = Meaning(
        Line.BIG_LINE, _FAIL, "it did not take a record of 1 MB", "One large text or file fails each sync into it."
    )
