"""What can be found of every connector, and what it means for a sync."""

from __future__ import annotations

from enum import unique

from airbyte_workers.conformance.verdicts import Finding, Level, Line, Meaning

_PASS, _WARNING, _FAIL = Level.PASS, Level.WARNING, Level.FAIL


@unique
class Common(Finding):
    """Findings of sources and destinations."""

    SPEC_ANSWERED = Meaning(
        Line.SPEC, _PASS, "a spec came, exit code 0", "Its configs are checked before anything of a job runs."
    )
    SPEC_ENDED_BADLY = Meaning(
        Line.SPEC,
        _WARNING,
        "a spec came, but not exit code 0",
        "The answer counts all the same. Each such job waits until the connector has been stopped.",
    )
    SPEC_MISSING = Meaning(
        Line.SPEC,
        _FAIL,
        "no SPEC message with a `connectionSpecification`",
        "Its spec jobs fail with no_result or system_error, and no config of it is checked before a sync.",
    )
    SCHEMA_USABLE = Meaning(Line.CONFIG_SCHEMA, _PASS, "it is a JSON schema", "Wrong configs are told field by field.")
    SCHEMA_UNUSABLE = Meaning(
        Line.CONFIG_SCHEMA,
        _FAIL,
        "`connectionSpecification` is no JSON schema that can be applied",
        "No config of it is checked before its syncs start, and nobody knows which of its values are secret.",
    )
    SCHEMA_HIDES_LITTLE = Meaning(
        Line.CONFIG_SCHEMA,
        _WARNING,
        "a property is named like a secret and lacks `airbyte_secret`",
        "Its value is masked in logs here because of its name; other platforms show it.",
    )
    CHECK_SUCCEEDED = Meaning(Line.CHECK, _PASS, "SUCCEEDED", "The check before a sync passes with this config.")
    CHECK_CONFIG_UNFIT = Meaning(
        Line.CHECK,
        _FAIL,
        "the config does not fit the spec",
        "A sync with this config ends with config_error before anything runs.",
    )
    CHECK_FAILED = Meaning(
        Line.CHECK,
        _FAIL,
        "FAILED, or an ERROR trace that blames the config",
        "Attempts with this config fail with config_error whenever they are checked first, and are not retried.",
    )
    CHECK_UNANSWERED = Meaning(
        Line.CHECK,
        _FAIL,
        "no CONNECTION_STATUS",
        "Where a sync begins with a check, that attempt fails and is tried again.",
    )
    CHECK_ENDED_BADLY = Meaning(
        Line.CHECK,
        _WARNING,
        "SUCCEEDED, but not exit code 0",
        "The answer counts all the same. Each check waits until the connector has been stopped.",
    )
    WRONG_TOLD = Meaning(
        Line.WRONG_CONFIG, _PASS, "FAILED, with words", "Who mistypes a config is told so, and nothing is retried."
    )
    WRONG_TRACED = Meaning(
        Line.WRONG_CONFIG,
        _WARNING,
        "an ERROR trace in place of a FAILED status",
        "The words arrive, but as a failure of the connector; without the type config_error it is tried again.",
    )
    WRONG_ACCEPTED = Meaning(
        Line.WRONG_CONFIG,
        _WARNING,
        "SUCCEEDED",
        "A wrong config passes its check, and only the sync itself fails, if at all. Where the spec forbids the config "
        "it is refused here before the connector is asked.",
    )
    WRONG_CRASHED = Meaning(
        Line.WRONG_CONFIG,
        _FAIL,
        "neither a status nor an ERROR trace: it crashed or hung",
        "Who mistypes a config reads of a crash, and it is tried again as if it could pass.",
    )
    OUTPUT_CLEAN = Meaning(Line.OUTPUT, _PASS, "messages alone", "Nothing is dropped.")
    OUTPUT_NOISY = Meaning(
        Line.OUTPUT,
        _WARNING,
        "lines that are no messages",
        "They go to the job's log, no data is lost. Other platforms may fail.",
    )
    OUTPUT_LOST = Meaning(
        Line.OUTPUT,
        _FAIL,
        "lines that look like records or states and cannot be read",
        "Its syncs fail with malformed_message, unless allow_malformed: then those records are lost.",
    )
    OUTPUT_UNENDED = Meaning(
        Line.OUTPUT,
        _WARNING,
        "no newline after the last message",
        "It is taken all the same here, but one that was cut off looks alike.",
    )
    LOG_MODEST = Meaning(Line.LOG, _PASS, "a modest log", "All of it is kept in the job's log.")
    LOG_FLOODS = Meaning(
        Line.LOG,
        _WARNING,
        "more than 256 KiB on stderr, or more log messages than data",
        "Nothing hangs, but lines of one kind are only counted after a while, and over MAX_LOG_BYTES the log ends.",
    )
    TERM_OBEYED = Meaning(
        Line.SIGTERM,
        _PASS,
        "it ended within SHUTDOWN_TERM_PERIOD_S",
        "A cancel, and the end of a failed attempt, take no longer than it needs.",
    )
    TERM_IGNORED = Meaning(
        Line.SIGTERM,
        _FAIL,
        "it had to be killed",
        "Every cancel and every failed attempt waits SHUTDOWN_TERM_PERIOD_S, then kills it: what it holds is lost.",
    )
    MEMORY_STEADY = Meaning(
        Line.MEMORY, _PASS, "it does not grow with the data", "Its memory is the same for a sync of any size."
    )
    MEMORY_GROWS = Meaning(
        Line.MEMORY,
        _WARNING,
        "it grows by more than half of the data that passed",
        "A large sync may end with out_of_memory: set resources.memory_limit, or have it send (or echo) more states.",
    )
    LIMIT_REACHED = Meaning(
        Line.LIMIT,
        _FAIL,
        "the kit was stopped by AIRBYTE_WORKERS_CONNECTOR_TEST_LIMIT_S",
        "What is missing above was not tried: raise the limit, or look why the connector takes so long.",
    )
