"""Variables of the compose files: each is on its page, and their defaults go together."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from airbyte_workers.names import JobKind
from airbyte_workers.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "run-with-compose.md").read_text(encoding="utf-8")
FILES = [ROOT / f"docker-compose{part}.yml" for part in ("", ".postgresql", ".socket-proxy")]
REMARK = re.compile(r"^ *#.*$", re.MULTILINE)
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::-([^}]*))?\}")
GIVEN_BY_COMPOSE = "COMPOSE_PROJECT_NAME"
TEMPORALS_SERVICES = 4
FOR_ITS_SUPERUSER = 3
OF_A_SYNC = OF_A_COMMAND = 2
COMMANDS_AT_ONCE = 3
LOST_AT_A_RESTART = ("/tmp", "/run", "/var/run", "/dev")


def defaults() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in FILES:
        for name, default in VARIABLE.findall(REMARK.sub("", file.read_text(encoding="utf-8"))):
            found.setdefault(name, set()).add(default)
    del found[GIVEN_BY_COMPOSE]
    return found


def number(name: str) -> int:
    (default,) = defaults()[name]
    return int(default)


def test_each_variable_has_one_default_and_is_on_the_page() -> None:
    assert {name: given for name, given in defaults().items() if len(given) != 1 or "" in given} == {}
    assert [name for name in defaults() if not re.search(rf"\b{name}\b", PAGE)] == []


def test_files_of_connectors_outlive_a_restart_of_the_host() -> None:
    (default,) = defaults()["LOCAL_ROOT"]
    folder = PurePosixPath(default)
    assert folder.is_absolute()
    assert not any(folder.is_relative_to(lost) for lost in LOST_AT_A_RESTART)
    assert f"| `LOCAL_ROOT` | `{default}` |" in PAGE
    assert f"`{default}/demo/users.jsonl`" in PAGE


def test_postgresql_takes_all_connections_that_temporal_and_we_may_open() -> None:
    temporals = number("TEMPORAL_CONNECTIONS") + number("TEMPORAL_VISIBILITY_CONNECTIONS")
    settings = Settings.model_construct()
    syncs = settings.pods_at_once(JobKind.SYNC)
    ours = settings.database_pool_size + OF_A_SYNC * syncs + OF_A_COMMAND * COMMANDS_AT_ONCE
    assert TEMPORALS_SERVICES * temporals + ours <= number("POSTGRES_CONNECTIONS") - FOR_ITS_SUPERUSER
