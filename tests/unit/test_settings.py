"""Settings: their names in the environment, with and without our prefix, and the defaults of decisions.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airbyte_workers.settings import Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {str(name).upper() for field in Settings.model_fields.values() for name in _aliases(field)}
    for name in list(os.environ):
        if name.upper() in names or name.upper().startswith("AIRBYTE_WORKERS_"):
            monkeypatch.delenv(name)


def _aliases(field: Any) -> list[str]:
    alias = field.validation_alias
    return [] if alias is None else list(alias.choices)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("launcher", "auto"),
        ("local_root", Path("airbyte_local")),
        ("database_url", None),
        ("temporal_address", None),
        ("temporal_namespace", "default"),
        ("storage_url", None),
        ("secrets_key_file", None),
        ("allow_local_commands", False),
        ("max_spec_workers", 5),
        ("max_check_workers", 5),
        ("max_discover_workers", 5),
        ("max_sync_workers", 5),
        ("sync_job_max_timeout_days", 3),
        ("heartbeat_timeout_s", 30),
        ("heartbeat_throttle_s", 1),
        ("lease_seconds", 1800),
        ("shutdown_grace_period_s", 60),
        ("shutdown_term_period_s", 10),
        ("exit_code_timeout_s", 10),
        ("marker_poll_interval_ms", 500),
        ("pipe_bytes", 256 * 1024),
        ("max_message_bytes", 128 * 1024 * 1024),
        ("sync_job_retries_complete_failures_max_successive", 5),
        ("sync_job_retries_complete_failures_max_total", 10),
        ("sync_job_retries_partial_failures_max_successive", 1000),
        ("sync_job_retries_partial_failures_max_total", 20),
        ("sync_job_retries_complete_failures_backoff_min_interval_s", 10),
        ("sync_job_retries_complete_failures_backoff_max_interval_s", 1800),
        ("sync_job_retries_complete_failures_backoff_base", 3),
        ("log_level", "INFO"),
    ],
)
def test_defaults_are_as_decided(name: str, default: Any) -> None:
    assert getattr(Settings(), name) == default


@pytest.mark.parametrize(
    ("variable", "name", "text", "value"),
    [
        ("DATABASE_URL", "database_url", "postgresql://h/d", "postgresql://h/d"),
        ("TEMPORAL_ADDRESS", "temporal_address", "h:7233", "h:7233"),
        ("TEMPORAL_NAMESPACE", "temporal_namespace", "prod", "prod"),
        ("STORAGE_URL", "storage_url", "s3://b/p", "s3://b/p"),
        ("LAUNCHER", "launcher", "docker", "docker"),
        ("LOCAL_ROOT", "local_root", "/data", Path("/data")),
        ("LOG_LEVEL", "log_level", "DEBUG", "DEBUG"),
        ("SECRETS_KEY_FILE", "secrets_key_file", "/k", Path("/k")),
        ("SECRETS_DIR", "secrets_dir", "/s", Path("/s")),
        ("ALLOW_LOCAL_COMMANDS", "allow_local_commands", "true", True),
        ("MAX_SPEC_WORKERS", "max_spec_workers", "7", 7),
        ("MAX_CHECK_WORKERS", "max_check_workers", "7", 7),
        ("MAX_DISCOVERY_WORKERS", "max_discover_workers", "7", 7),
        ("MAX_SYNC_WORKERS", "max_sync_workers", "7", 7),
        ("SYNC_JOB_MAX_TIMEOUT_DAYS", "sync_job_max_timeout_days", "0.5", 0.5),
        ("SHUTDOWN_GRACE_PERIOD_S", "shutdown_grace_period_s", "5", 5),
        ("SHUTDOWN_TERM_PERIOD_S", "shutdown_term_period_s", "5", 5),
        ("LEASE_SECONDS", "lease_seconds", "5", 5),
        ("MARKER_POLL_INTERVAL_MS", "marker_poll_interval_ms", "5", 5),
        ("MAX_MESSAGE_BYTES", "max_message_bytes", "5", 5),
        ("ACTIVITY_DISCOVERY_TIMEOUT_MINUTES", "discover_timeout_minutes", "5", 5),
        (
            "SYNC_JOB_RETRIES_COMPLETE_FAILURES_MAX_SUCCESSIVE",
            "sync_job_retries_complete_failures_max_successive",
            "2",
            2,
        ),
        ("SYNC_JOB_RETRIES_PARTIAL_FAILURES_MAX_TOTAL", "sync_job_retries_partial_failures_max_total", "2", 2),
    ],
)
@pytest.mark.parametrize("prefix", ["", "AIRBYTE_WORKERS_"])
def test_a_known_name_is_read_with_and_without_our_prefix(
    monkeypatch: pytest.MonkeyPatch, prefix: str, variable: str, name: str, text: str, value: Any
) -> None:
    monkeypatch.setenv(prefix + variable, text)
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("AIRBYTE_WORKERS_HOME", "home", Path("7")),
        ("AIRBYTE_WORKERS_MAX_WATCHES", "max_watches", 7),
        ("AIRBYTE_WORKERS_STAGED_STATES_BYTES", "staged_states_bytes", 7),
        ("AIRBYTE_WORKERS_MAX_LOG_BYTES", "max_log_bytes", 7),
        ("AIRBYTE_WORKERS_DATAPLANE", "dataplane", "7"),
    ],
)
def test_everything_else_needs_our_prefix(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str, value: Any
) -> None:
    monkeypatch.setenv(variable.removeprefix("AIRBYTE_WORKERS_"), "7")
    assert getattr(Settings(), name) != value
    monkeypatch.setenv(variable, "7")
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_says_what_it_means(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description is not None
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LAUNCHER", "kubernetes"),
        ("MAX_SYNC_WORKERS", "0"),
        ("MAX_SYNC_WORKERS", "many"),
        ("LEASE_SECONDS", "-1"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_that_cannot_be_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert f"'{text}'" not in str(caught.value)
    assert "input_value" not in str(caught.value)


def test_the_home_follows_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Settings().home == Path("/data/airbyte-workers")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert Settings().home == Path("/home/me/.local/share/airbyte-workers")


def test_what_is_not_said_lies_below_the_home() -> None:
    settings = Settings(home=Path("/h"))
    assert (settings.storage, settings.pods_dir, settings.key_file) == (
        "file:///h/storage",
        Path("/h/pods"),
        Path("/h/secrets.key"),
    )


def test_what_is_said_wins() -> None:
    settings = Settings(home=Path("/h"), storage_url="s3://b", secrets_key_file=Path("/k"))
    assert (settings.storage, settings.key_file) == ("s3://b", Path("/k"))


def test_settings_come_back_from_json_as_they_were() -> None:
    """A pod gets the settings of the Temporal worker that launched it, whatever its own environment."""
    settings = Settings(home=Path("/h"), max_sync_workers=9, launcher="process")
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings
