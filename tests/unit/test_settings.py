"""Settings: their names in the environment, with and without our prefix; names and defaults are in the reference."""

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
    ("variable", "name", "text", "value"),
    [
        ("DATABASE_URL", "database_url", "postgresql://h/d", "postgresql://h/d"),
        ("LOCAL_ROOT", "local_root", "/data", Path("/data")),
        ("ALLOW_LOCAL_COMMANDS", "allow_local_commands", "true", True),
        ("MAX_DISCOVERY_WORKERS", "max_discover_workers", "7", 7),
        ("ACTIVITY_DISCOVERY_TIMEOUT_MINUTES", "discover_timeout_minutes", "5", 5),
        ("SYNC_JOB_MAX_TIMEOUT_DAYS", "sync_job_max_timeout_days", "0.5", 0.5),
        ("WORKER_DEPLOYMENT_NAME", "worker_deployment_name", "airbyte", "airbyte"),
        ("WORKER_BUILD_ID", "worker_build_id", "0.2.0+local.1", "0.2.0+local.1"),
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


def test_every_setting_says_what_it_means() -> None:
    mute = [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")]
    assert mute == []


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
        ("WORKER_DEPLOYMENT_NAME", "air.byte"),
        ("WORKER_DEPLOYMENT_NAME", "air:byte"),
        ("WORKER_DEPLOYMENT_NAME", "x" * 101),
        ("WORKER_BUILD_ID", "it's"),
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
    settings = Settings(job_main_container_cpu_limit=2, job_main_container_memory_limit=536870912)  # type: ignore[arg-type]  # as the environment gives it
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
