"""What can be found of a source, and what it means for a sync."""

from __future__ import annotations

from enum import unique

from airbyte_workers.conformance.verdicts import Finding, Level, Line, Meaning

_PASS, _WARNING, _FAIL = Level.PASS, Level.WARNING, Level.FAIL
_SILENT = "Its syncs hang until source_silence_minutes (30) is over, then fail with source_silent."


@unique
class Source(Finding):
    """Findings of sources."""

    DISCOVERED = Meaning(Line.DISCOVER, _PASS, "a catalog came", "Its streams can be chosen without a catalog by hand.")
    DISCOVER_ENDED_BADLY = Meaning(
        Line.DISCOVER,
        _WARNING,
        "a catalog came, but not exit code 0",
        "The answer counts all the same. Each such job waits until the connector has been stopped.",
    )
    DISCOVER_UNANSWERED = Meaning(
        Line.DISCOVER,
        _FAIL,
        "no CATALOG message",
        "Its discover jobs fail, and so do its first syncs, unless they bring a whole catalog.",
    )
    CATALOG_SOUND = Meaning(Line.CATALOG, _PASS, "every stream can be synced as it is", "Nothing has to be configured.")
    CATALOG_INVALID = Meaning(
        Line.CATALOG,
        _FAIL,
        "it cannot be read, or has no streams",
        "A sync of all its streams ends with config_error.",
    )
    CATALOG_TWICE = Meaning(
        Line.CATALOG,
        _WARNING,
        "a stream is named twice",
        "The last of the two counts here. Records and states of both are taken for one stream's.",
    )
    CATALOG_SCHEMAS = Meaning(
        Line.CATALOG,
        _WARNING,
        "the `json_schema` of a stream cannot be used",
        "Records of that stream are not compared with it, and its destination may refuse it.",
    )
    READ_WELL = Meaning(Line.READ, _PASS, "records came, without an error", "Its data arrives.")
    READ_NOTHING = Meaning(
        Line.READ,
        _WARNING,
        "it ended with 0 and sent no record",
        "Its syncs succeed with 0 records, also if there was something to read.",
    )
    READ_ERROR = Meaning(
        Line.READ,
        _FAIL,
        "an ERROR trace",
        "The attempt fails with what it says, whatever the exit code. States after the error are not committed.",
    )
    READ_CRASHED = Meaning(
        Line.READ, _FAIL, "an exit code other than 0", "The attempt fails with system_error, what is committed stays."
    )
    READ_HUNG = Meaning(Line.READ, _FAIL, "it went silent before its end", _SILENT)
    READ_MUTE = Meaning(Line.READ, _FAIL, "it never said anything, and did not end", _SILENT)
    READ_IDLE = Meaning(
        Line.READ,
        _FAIL,
        "it talks on, and sends neither records nor states",
        "Its syncs hang until source_progress_minutes (180) is over, then fail with heartbeat_timeout.",
    )
    EXITED = Meaning(
        Line.END,
        _PASS,
        "it exited with 0 after its last message, its input being empty",
        "Its syncs end when its data does.",
    )
    STAYED_OPEN = Meaning(
        Line.END,
        _FAIL,
        "it had completed every stream, then neither closed its output nor exited",
        _SILENT,
    )
    STAYED_CLOSED = Meaning(
        Line.END,
        _WARNING,
        "it had completed every stream and closed its output, but did not exit",
        "Each sync waits SHUTDOWN_GRACE_PERIOD_S and stops it: a success with the warning source_did_not_exit.",
    )
    STAYED_INCOMPLETE = Meaning(
        Line.END,
        _FAIL,
        "it closed its output without having completed every stream, and did not exit",
        "Its syncs fail with source_did_not_exit.",
    )
    LINES_SHORT = Meaning(
        Line.BIG_LINE, _PASS, "its longest line is well within MAX_MESSAGE_BYTES", "No message of it is too long."
    )
    LINES_LONG = Meaning(
        Line.BIG_LINE,
        _WARNING,
        "its longest line is more than half of MAX_MESSAGE_BYTES, or more than 1 MB",
        "A record that is larger still fails the sync with message_too_long, and few destinations take such records.",
    )
    LINES_TOO_LONG = Meaning(
        Line.BIG_LINE, _FAIL, "a line over MAX_MESSAGE_BYTES", "Its syncs fail with message_too_long."
    )
    STATES_SENT = Meaning(
        Line.STATES, _PASS, "states for every stream", "A sync that breaks off goes on from the last acknowledged one."
    )
    STATES_NONE = Meaning(
        Line.STATES,
        _WARNING,
        "no state at all",
        "Every sync reads everything, and one that breaks off begins again. An empty state stands for each stream.",
    )
    STATES_MISSING = Meaning(
        Line.STATES,
        _WARNING,
        "no state for some streams that sent records",
        "Those streams are read whole every time, and one that breaks off begins again.",
    )
    STATES_REPEATED = Meaning(
        Line.STATES,
        _WARNING,
        "a state says what the last one said",
        "Harmless, but where a destination loses ids two equal states cannot be told apart.",
    )
    STATES_MIXED = Meaning(
        Line.STATES, _FAIL, "states of several types in one read", "Its syncs fail with mixed_state_types."
    )
    RESUMED = Meaning(
        Line.RESUME, _PASS, "fewer records from its own last state", "A sync reads only what the last one has not."
    )
    RESUMED_WHOLE = Meaning(
        Line.RESUME,
        _WARNING,
        "as many records from its own last state",
        "Each sync reads everything again, though it is incremental. With append every record is there once for each.",
    )
    RESUME_FAILED = Meaning(
        Line.RESUME,
        _FAIL,
        "an error, a crash or silence when it was given its own state",
        "The first sync works and every later one fails: its state must be cleared each time.",
    )
    STATUSES_TOLD = Meaning(
        Line.STATUSES, _PASS, "STARTED and COMPLETE for every stream", "It is proven that every stream was read."
    )
    STATUSES_NONE = Meaning(
        Line.STATUSES,
        _WARNING,
        "no stream status at all",
        "Exit code 0 stands for completion (`inferred`): one that stops early with 0 looks complete.",
    )
    STATUSES_NO_START = Meaning(
        Line.STATUSES, _WARNING, "COMPLETE without STARTED", "Counts as complete; other platforms may not know it."
    )
    STATUSES_MISSING = Meaning(
        Line.STATUSES, _FAIL, "statuses, but not COMPLETE for every stream", "Its syncs fail with stream_incomplete."
    )
    STATUSES_INCOMPLETE = Meaning(
        Line.STATUSES,
        _FAIL,
        "INCOMPLETE for a stream",
        "Its syncs fail with stream_incomplete. States of that stream after it are not committed.",
    )
    STREAMS_KNOWN = Meaning(Line.STREAMS, _PASS, "only streams of the catalog", "Nothing comes that was not asked for.")
    STREAMS_UNKNOWN = Meaning(
        Line.STREAMS,
        _FAIL,
        "records or statuses of streams that are not in the catalog",
        "Its syncs fail with unknown_stream.",
    )
    RECORDS_FIT = Meaning(
        Line.RECORDS, _PASS, "records fit their stream's schema", "Typed destinations can rely on it."
    )
    RECORDS_UNFIT = Meaning(
        Line.RECORDS,
        _WARNING,
        "records that do not fit their stream's schema",
        "They go on and are counted; more than validation.max_invalid_records of them fail a sync that has it. "
        "Typed destinations may refuse them or write null.",
    )
