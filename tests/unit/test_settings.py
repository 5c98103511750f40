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
        ("stack", None),
        ("docker_network", "bridge"),
        ("orchestrator_image", None),
        ("orchestrator_network", "host"),
        ("image_pull_policy", "IfNotPresent"),
        ("container_pids_limit", 4096),
        ("job_main_container_cpu_limit", None),
        ("job_main_container_memory_limit", None),
        ("replication_orchestrator_cpu_limit", None),
        ("replication_orchestrator_memory_limit", None),
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
        ("DOCKER_NETWORK", "docker_network", "none", "none"),
        ("ORCHESTRATOR_IMAGE", "orchestrator_image", "airbyte-workers:1", "airbyte-workers:1"),
        ("JOB_MAIN_CONTAINER_CPU_LIMIT", "job_main_container_cpu_limit", "500m", "500m"),
        ("JOB_MAIN_CONTAINER_MEMORY_LIMIT", "job_main_container_memory_limit", "2Gi", "2Gi"),
        ("REPLICATION_ORCHESTRATOR_CPU_LIMIT", "replication_orchestrator_cpu_limit", "1.5", "1.5"),
        ("REPLICATION_ORCHESTRATOR_MEMORY_LIMIT", "replication_orchestrator_memory_limit", "512m", "512m"),
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
        ("AIRBYTE_WORKERS_STACK", "stack", "7"),
        ("AIRBYTE_WORKERS_CONTAINER_PIDS_LIMIT", "container_pids_limit", 7),
        ("AIRBYTE_WORKERS_ORCHESTRATOR_STORAGE_VOLUME", "orchestrator_storage_volume", "7"),
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
        ("JOB_MAIN_CONTAINER_CPU_LIMIT", "a lot"),
        ("JOB_MAIN_CONTAINER_CPU_LIMIT", "512Mi"),
        ("JOB_MAIN_CONTAINER_CPU_LIMIT", "0.001"),
        ("JOB_MAIN_CONTAINER_MEMORY_LIMIT", "512MiB"),
        ("JOB_MAIN_CONTAINER_MEMORY_LIMIT", "512"),
        ("JOB_MAIN_CONTAINER_MEMORY_LIMIT", "9" * 400),
        ("REPLICATION_ORCHESTRATOR_CPU_LIMIT", "-3"),
        ("REPLICATION_ORCHESTRATOR_MEMORY_LIMIT", "5.5.5Gi"),
        ("JOB_KUBE_MAIN_CONTAINER_IMAGE_PULL_POLICY", "Sometimes"),
        ("AIRBYTE_WORKERS_CONTAINER_PIDS_LIMIT", "-1"),
        ("AIRBYTE_WORKERS_STACK", "Prod"),
        ("AIRBYTE_WORKERS_STACK", "-prod"),
        ("AIRBYTE_WORKERS_STACK", "prod.eu"),
        ("AIRBYTE_WORKERS_STACK", "a,b=c"),
        ("AIRBYTE_WORKERS_STACK", "x" * 32),
    ],
)
def test_a_value_that_cannot_be_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert variable.removeprefix("AIRBYTE_WORKERS_") in str(caught.value).upper()
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


# --- containers ---


@pytest.mark.parametrize("policy", ["IfNotPresent", "Always", "Never"])
@pytest.mark.parametrize("name", ["JOB_KUBE_MAIN_CONTAINER_IMAGE_PULL_POLICY", "AIRBYTE_WORKERS_IMAGE_PULL_POLICY"])
def test_the_pull_policy_has_upstreams_name_and_ours(monkeypatch: pytest.MonkeyPatch, name: str, policy: str) -> None:
    monkeypatch.setenv(name, policy)
    assert Settings().image_pull_policy == policy


def test_upstreams_name_of_the_pull_policy_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_KUBE_MAIN_CONTAINER_IMAGE_PULL_POLICY", "Never")
    monkeypatch.setenv("AIRBYTE_WORKERS_IMAGE_PULL_POLICY", "Always")
    assert Settings().image_pull_policy == "Never"


def test_a_limit_that_is_empty_in_the_environment_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_MAIN_CONTAINER_MEMORY_LIMIT", "")
    assert Settings().job_main_container_memory_limit is None


def test_a_limit_is_kept_as_it_was_written_and_may_be_a_number() -> None:
    settings = Settings(job_main_container_cpu_limit=2, job_main_container_memory_limit=536870912)  # type: ignore[arg-type]
    assert (settings.job_main_container_cpu_limit, settings.job_main_container_memory_limit) == ("2", "536870912")
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_a_stack_has_the_same_name_for_the_same_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = Settings(home=tmp_path / "a").stack_name
    assert Settings(home=Path("a")).stack_name == name
    assert Settings(home=tmp_path / "a", max_sync_workers=9).stack_name == name


def test_stacks_of_different_homes_have_different_names(tmp_path: Path) -> None:
    names = {Settings(home=tmp_path / f"{number}").stack_name for number in range(100)}
    assert len(names) == 100


@pytest.mark.parametrize("name", ["prod", "7", "a-b_c", "x" * 31])
def test_a_name_that_is_given_to_a_stack_wins_over_its_home(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AIRBYTE_WORKERS_STACK", name)
    assert Settings(home=Path("/h")).stack_name == name


def test_the_name_of_a_home_could_be_given_to_a_stack(tmp_path: Path) -> None:
    """It becomes a part of containers' names and the value of their labels."""
    assert Settings(stack=Settings(home=tmp_path).stack_name).stack_name == Settings(home=tmp_path).stack_name
