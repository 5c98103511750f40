"""`connector test`: the right verdict on every connector there is, good or bad; and nothing of any of them is left."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_support import TEST_IMAGES, Ended, Place, kill_all, make_images, misbehaving_image, processes_of, until

from airbyte_workers.conformance.bench import OWNER
from airbyte_workers.conformance.kit import Report, Subject, examine
from airbyte_workers.conformance.verdicts import Level, Line
from airbyte_workers.models import Connector
from airbyte_workers.settings import Settings
from demo_connectors.misbehaving_destinations import DESTINATIONS
from demo_connectors.misbehaving_sources import SOURCES
from tests.images import connectors

pytestmark = pytest.mark.timeout(600)
AT_ONCE = 6
ODD = Path(__file__).with_name("e2e_odd_connectors.py")
EMBEDDER = """
import json, sys
print(json.dumps([[float(len(text)), 0.0, 0.0, 1.0] for text in json.load(sys.stdin)]))
"""
IMPATIENT: Mapping[str, str] = {
    "SHUTDOWN_GRACE_PERIOD_S": "3",
    "SHUTDOWN_TERM_PERIOD_S": "2",
    "AIRBYTE_WORKERS_EXIT_CODE_TIMEOUT_S": "1",
    "AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S": "6",
    "AIRBYTE_WORKERS_CONNECTOR_TEST_SAMPLE_S": "6",
    "AIRBYTE_WORKERS_CONNECTOR_TEST_ECHO_S": "1.5",
    "AIRBYTE_WORKERS_CONNECTOR_TEST_RECORDS": "200",
    "AIRBYTE_WORKERS_CONNECTOR_TEST_RECORD_BYTES": "2000000",
}
"""Time enough for a connector of Python that starts beside five others."""


class Expected(NamedTuple):
    """The findings that are no `pass`; `unseen`: why the way in which it misbehaves is none, and what is said of it."""

    findings: tuple[str, ...] = ()
    unseen: str = ""
    says: tuple[Line, str] | None = None


UNFIT = "RECORDS_UNFIT"
"""Their records are not as their catalog says."""
REREAD = "RESUMED_WHOLE"
"""They take no notice of the state that they are given."""
MISBEHAVING: Mapping[str, Expected] = {
    "exits-without-output": Expected(("READ_NOTHING", "STATUSES_NONE")),
    "never-opens": Expected(("READ_MUTE",)),
    "hangs": Expected(("READ_HUNG", UNFIT)),
    "talks-on": Expected(("READ_IDLE", UNFIT)),
    "read-never-exits": Expected(("STAYED_OPEN", UNFIT)),
    "closes-stdout-and-hangs": Expected(("STAYED_CLOSED", UNFIT)),
    "crash-after-n": Expected(("READ_CRASHED", "STATUSES_MISSING", UNFIT)),
    "error-then-state-then-exit-0": Expected(("READ_ERROR", "STATUSES_MISSING", UNFIT)),
    "incomplete-status": Expected(("STATUSES_INCOMPLETE", UNFIT, REREAD)),
    "no-status-no-state": Expected(("STATES_NONE", "STATUSES_NONE", UNFIT)),
    "state-for-some-streams": Expected(("STATES_MISSING", UNFIT, REREAD)),
    "unknown-stream": Expected(("STREAMS_UNKNOWN", UNFIT, REREAD)),
    "garbage-lines": Expected(("OUTPUT_LOST", UNFIT, REREAD)),
    "bad-json": Expected(("OUTPUT_LOST", UNFIT, REREAD)),
    "non-json-lines": Expected(("OUTPUT_NOISY", UNFIT, REREAD)),
    "huge-line": Expected(("LINES_LONG", UNFIT, REREAD)),
    "no-final-newline": Expected(("OUTPUT_UNENDED", UNFIT, REREAD)),
    "ignores-sigterm": Expected(("READ_HUNG", "TERM_IGNORED", UNFIT)),
    "stderr-flood": Expected(("LOG_FLOODS", UNFIT, REREAD)),
    "duplicate-states": Expected(("STATES_REPEATED", UNFIT, REREAD)),
    "mixed-state-types": Expected(("STATES_MIXED", UNFIT, REREAD)),
    "status-for-unknown-stream": Expected(("STREAMS_UNKNOWN", UNFIT, REREAD)),
    "exits-early": Expected(("WRITE_EXITED", "ACKNOWLEDGED_NONE")),
    "exits-0-without-echo": Expected(("WRITE_EXITED", "ACKNOWLEDGED_NONE")),
    "write-crash-after-n": Expected(("WRITE_EXITED",)),
    "stops-reading": Expected(("WRITE_BLOCKED",)),
    "closes-stdin-early": Expected(("WRITE_CLOSED",)),
    "never-reads": Expected(("WRITE_BLOCKED",)),
    "never-exits": Expected(("END_HUNG",)),
    "write-ignores-sigterm": Expected(("END_HUNG", "TERM_IGNORED")),
    "no-echo": Expected(("ACKNOWLEDGED_NONE",)),
    "stops-echoing": Expected(("ACKNOWLEDGED_NOT_LAST",)),
    "finalises-for-ever": Expected(("END_TALKED",)),
    "echo-unknown": Expected(("ACKNOWLEDGED_NONE",)),
    "echoes-without-id": Expected(("IDS_LOST",)),
    "echoes-bare": Expected(("IDS_BARE",)),
    "echoes-twice": Expected(("ACKNOWLEDGED_TWICE",)),
    "echoes-coalesced": Expected(("ACKNOWLEDGED_SOME", "LATE")),
    "echoes-out-of-order": Expected(
        ("LATE",),
        unseen="streams may overtake one another: each is flushed by itself, and each is in order",
        says=(Line.ORDER, "streams overtook one another"),
    ),
    "fails-without-complete": Expected(
        unseen="it is right to fail where a source did not complete, and is given the statuses in every good sync",
        says=(Line.COMPLETE, "no COMPLETE status came for"),
    ),
}
GOOD: Mapping[str, Mapping[str, Any]] = {
    "source-synthetic": {"records": 75, "streams": 2, "state_every": 25},
    "destination-jsonl": {"path": "out"},
    "destination-null": {},
}
WRITES_FEW_LINES = {"lines": 30}
"""Enough for a first state, which those acknowledge that misbehave later."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Report]]:
    """On all demo connectors, several at once; after it nothing of them is there."""
    folder = tmp_path_factory.mktemp("conformance")
    subjects = {name: Subject(Connector(command=(name,), config=dict(config))) for name, config in GOOD.items()}
    for mode in MISBEHAVING:
        config = WRITES_FEW_LINES if mode in DESTINATIONS else {"streams": ["a", "b"]}
        command = (sys.executable, "-m", "demo_connectors.misbehaving", mode)
        subjects[mode] = Subject(Connector(command=command, config=config))
    try:
        yield asyncio.run(_examined(_settings(folder), subjects))
        assert processes_of(folder) == []
        assert [each.name for each in (folder / "home" / "pods").iterdir()] == []
    finally:
        kill_all(folder)


def _settings(folder: Path) -> Settings:
    """The same as IMPATIENT says in the environment."""
    values: dict[str, Any] = {name.removeprefix("AIRBYTE_WORKERS_").lower(): text for name, text in IMPATIENT.items()}
    return Settings(home=folder / "home", local_root=folder / "local", **values)


async def _examined(settings: Settings, subjects: Mapping[str, Subject]) -> Mapping[str, Report]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, subject: Subject) -> tuple[str, Report]:
        async with places:
            return name, await examine(settings, subject, lambda _: None, lambda _: None)

    return dict(await asyncio.gather(*(one(*each) for each in subjects.items())))


def findings(report: Report, *levels: Level) -> set[str]:
    return {each.finding for each in report.verdicts if each.level in (levels or (Level.WARNING, Level.FAIL))}


def told(report: Report) -> str:
    return "\n".join(f"{each.level} {each.line}: {each.seen}" for each in report.verdicts)


@pytest.mark.parametrize("mode", MISBEHAVING)
def test_a_misbehaving_connector_is_found_out(reports: Mapping[str, Report], mode: str) -> None:
    report, expected = reports[mode], MISBEHAVING[mode]
    assert report.kind == ("source" if mode in SOURCES else "destination")
    assert findings(report) == set(expected.findings), told(report)
    if expected.says is not None:
        line, words = expected.says
        (verdict,) = (each for each in report.verdicts if each.line is line)
        assert verdict.level is Level.PASS
        assert words in verdict.seen


def test_the_table_knows_every_way_to_misbehave() -> None:
    assert set(MISBEHAVING) == {*SOURCES, *DESTINATIONS}


@pytest.mark.parametrize("name", GOOD)
def test_a_well_behaved_connector_passes(reports: Mapping[str, Report], name: str) -> None:
    report = reports[name]
    assert findings(report) == set(), told(report)
    assert report.worst is Level.PASS
    skipped = {each.line for each in report.verdicts if each.level is Level.SKIPPED}
    assert skipped <= {Line.MEMORY, Line.DURABILITY}, told(report)
    lines = [each.line for each in report.verdicts]
    assert len(lines) == len(set(lines))


def test_no_line_is_left_out_or_told_twice(reports: Mapping[str, Report]) -> None:
    """Whatever a connector does: what could not be tried is told as skipped, with the reason."""
    for name, report in reports.items():
        good = reports["source-synthetic" if report.kind == "source" else "destination-jsonl"]
        assert [each.line for each in report.verdicts] == [each.line for each in good.verdicts], name
        assert all(each.seen for each in report.verdicts), name


# --- what no demo connector does ---


ODDITIES: Mapping[str, tuple[Mapping[str, Any], set[str], Line, str]] = {
    "endless-source": ({"count": 1}, {"STATES_NONE"}, Line.READ, "the first 201 records"),
    "hoarding-source": ({"count": 6000}, {"MEMORY_GROWS"}, Line.MEMORY, "after all"),
    "steady-source": ({"count": 6000}, set(), Line.MEMORY, "after all"),
    "hoarding-destination": ({"count": 1}, {"MEMORY_GROWS", "LATE"}, Line.MEMORY, "after all"),
    "small-destination": ({"count": 1}, {"BIG_REFUSED"}, Line.BIG_LINE, "exited after"),
    "endless-spec": ({"count": 1}, {"SPEC_MISSING"}, Line.SPEC, "it did not end in time"),
    "failing-source": ({"count": -1, "api_key": "canary-5f21c0"}, {"CHECK_FAILED"}, Line.CHECK, "api_key=*"),
}
"""By way: config, findings, a line and its words."""
MUCH = frozenset({"hoarding-source", "steady-source", "hoarding-destination"})
BESIDES = {"WRONG_CRASHED", "SCHEMA_HIDES_LITTLE"}
"""All of them crash without a count, and do not say that their api_key is secret."""
OF_SOURCES = {"STATES_NONE", "STATUSES_NONE"}


@pytest.fixture(scope="module")
def odd_reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Report]:
    folder = tmp_path_factory.mktemp("odd")
    little, much = _settings(folder), _settings(folder).model_copy(update={"connector_test_records": 6000})

    def subject(way: str) -> Subject:
        command = (sys.executable, str(ODD), way)
        return Subject(Connector(command=command, config=dict(ODDITIES[way][0])), "source" if "spec" in way else None)

    async def all_of_them() -> Mapping[str, Report]:
        few = _examined(little, {way: subject(way) for way in ODDITIES if way not in MUCH})
        many = _examined(much, {way: subject(way) for way in MUCH})
        first, second = await asyncio.gather(few, many)
        return {**first, **second}

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("way", ODDITIES)
def test_an_odd_connector_is_found_out(odd_reports: Mapping[str, Report], way: str) -> None:
    report, (_, expected, line, words) = odd_reports[way], ODDITIES[way]
    (verdict,) = (each for each in report.verdicts if each.line is line)
    assert expected <= findings(report) <= expected | BESIDES | OF_SOURCES, told(report)
    assert words in verdict.seen, told(report)
    assert "canary-5f21c0" not in told(report)


# --- the command ---


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Place]:
    """A place where no stack runs, and none is needed."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (tmp_path / "work").mkdir()
    (tmp_path / "work").chmod(0o1777)  # connectors of images run as a user of their own
    yield Place(tmp_path / "work", home, dict(IMPATIENT))
    try:
        until(lambda: not processes_of(tmp_path), f"the end of {processes_of(tmp_path)}")
        assert not (home / "stack.json").exists()
    finally:
        kill_all(tmp_path)


def verdicts(ended: Ended) -> dict[str, dict[str, Any]]:
    return {each["line"]: each for each in ended.report["verdicts"]}


def test_exit_codes_follow_the_verdicts(shop: Place) -> None:
    good = shop.run("connector", "test", "destination-null")
    assert (good.code, "durability: " in good.out) == (0, True)
    assert good.err.startswith("launcher: process (destination-null is a command, not an image)\n")
    bad = shop.run("connector", "test", f"{sys.executable} -m demo_connectors.misbehaving no-echo", "-o", "json")
    assert (bad.code, bad.report["verdict"], bad.report["kind"]) == (1, "fail", "destination")
    assert verdicts(bad)["acknowledgements"]["finding"] == "acknowledged_none"
    assert "no_acknowledgement" in verdicts(bad)["acknowledgements"]["means"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give either an image, or a command"),
        (("destination-null", "--config", "{"), "--config, line 1: not valid YAML or JSON"),
        (("destination-null", "--config", "absent.json"), "cannot read absent.json"),
        (("destination-null", "--config", '{"a": {"_secret": "env:PATH"}}'), "AIRBYTE_SECRET_"),
        (("--command", sys.executable), "say --source or --destination"),
    ],
)
def test_bad_usage_is_told_and_ends_with_2(shop: Place, words: Sequence[str], says: str) -> None:
    ended = shop.run("connector", "test", *words)
    assert ended.code == 2, ended.err
    assert says in ended.error


def test_the_whole_limit_ends_it(shop: Place) -> None:
    limit = {"AIRBYTE_WORKERS_CONNECTOR_TEST_LIMIT_S": "3", "AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S": "100"}
    ended = shop.run("connector", "test", f"{sys.executable} {ODD} endless-spec", "--source", "-o", "json", **limit)
    assert ended.code == 1
    assert verdicts(ended)["whole limit"]["seen"] == "stopped after 3 s, at: spec"


def test_ctrl_c_ends_the_connector_and_leaves_nothing(shop: Place) -> None:
    hangs = f"{sys.executable} -m demo_connectors.misbehaving never-opens"
    with shop.started("connector", "test", hangs, AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S="100") as running:
        running.until_said("trying: read")
        until(shop.pod_processes, "the connector")
        running.interrupt()
        ended = running.ended(30)
    assert (ended.code, ended.error) == (130, "interrupted")
    assert shop.pods_left() == []


def test_a_kit_that_is_killed_leaves_a_connector_that_ends_and_the_next_one_cleans_up(shop: Place) -> None:
    hangs = f"{sys.executable} -m demo_connectors.misbehaving never-opens"
    with shop.started("connector", "test", hangs, AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S="100") as running:
        running.until_said("trying: read")
        until(shop.pod_processes, "the connector")
        running.process.kill()
        running.process.wait()  # a zombie is somebody whom `kill -0` still finds
        until(lambda: not shop.pod_processes(), "the end of the connector")
    assert shop.pods_left() != []
    assert shop.run("connector", "test", "destination-null").code == 0
    assert shop.pods_left() == []


# --- in containers ---


def _left(shop: Place) -> list[str]:
    words = ("docker", "ps", "-a", "--format", "{{.Names}}", "--filter", f"label={OWNER}")
    seen = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    return [*seen, *shop.pods_left()]


@pytest.mark.docker
def test_in_containers_the_verdicts_are_the_same(shop: Place) -> None:
    bad = misbehaving_image("write-ignores-sigterm")
    make_images(f"{TEST_IMAGES}/source-synthetic:1", f"{TEST_IMAGES}/destination-jsonl:1", bad)
    commands = [
        (f"{TEST_IMAGES}/source-synthetic:1", "--config", '{"records": 150, "state_every": 50}'),
        (f"{TEST_IMAGES}/destination-jsonl:1", "--config", '{"path": "/local/out"}'),
        (bad,),
    ]
    more = {"LOCAL_ROOT": str(shop.work), "AIRBYTE_WORKERS_CONNECTOR_TEST_RECORDS": "4000"}
    with ThreadPoolExecutor(len(commands)) as pool:
        source, destination, ignoring = pool.map(
            lambda words: shop.run("connector", "test", *words, "-o", "json", **more), commands
        )
    assert source.report["launcher"] == "docker"
    assert (source.code, destination.code, ignoring.code) == (0, 0, 1), source.out + destination.out
    assert verdicts(ignoring)["SIGTERM"]["finding"] == "term_ignored"
    assert verdicts(source)["SIGTERM"]["finding"] == "term_obeyed"
    assert verdicts(destination)["memory"]["finding"] == "memory_steady"
    assert (shop.work / "out" / "airbyte_workers_test_first.jsonl").exists()
    assert _left(shop) == []


@pytest.mark.docker
def test_ctrl_c_leaves_no_container(shop: Place) -> None:
    image = misbehaving_image("never-opens")
    make_images(image)
    with shop.started("connector", "test", image, AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S="100") as running:
        running.until_said("trying: read")
        until(lambda: any(name.endswith("-read-source") for name in _left(shop)), "the connector's container")
        running.interrupt()
        ended = running.ended(60)
    assert (ended.code, ended.error) == (130, "interrupted")
    assert _left(shop) == []


# --- the connectors that people have ---


class Real(NamedTuple):
    """A connector of the package index, its config ({work} is its directory), and the findings that are no `pass`."""

    image: str
    config: Mapping[str, Any]
    findings: frozenset[str] = frozenset()


REAL = {
    "faker": Real("airbyte/source-faker:7.2.1", {"count": 50, "seed": 7}, frozenset({"resumed_whole"})),
    "hardcoded": Real("airbyte/source-hardcoded-records:0.0.48", {"count": 60}),
    "file": Real(
        "airbyte/source-file:0.5.39",
        {"dataset_name": "table", "format": "csv", "url": "table.csv", "provider": {"storage": "local"}},
        frozenset({"states_none"}),
    ),
    "smoke": Real("airbyte/source-smoke-test:0.1.2", {}, frozenset({"states_none"})),
    "ailake": Real(
        "airbyte/destination-ailake:0.1.16",
        {
            "table_base_path": "{work}/lake",
            "embed_mode": "cmd",
            "embed_cmd": f"{sys.executable} {{work}}/embedder.py",
            "embedding_dim": 4,
            "text_field": "name",
        },
        frozenset({"ids_lost"}),
    ),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Ended]]]:
    """All at once: they spend their time in importing their libraries."""
    root = tmp_path_factory.mktemp("real")
    (root / "work").mkdir()
    (root / "home").mkdir(mode=0o700)
    for each in REAL.values():
        connectors.words(each.image)  # installed once below the user's cache folder
    (root / "home" / "connectors").symlink_to(connectors.folder())
    (root / "work" / "table.csv").write_text("id,name\n" + "".join(f"{n},name {n}\n" for n in range(150)))
    (root / "work" / "embedder.py").write_text(EMBEDDER)
    patient = {**IMPATIENT, "SHUTDOWN_GRACE_PERIOD_S": "60", "AIRBYTE_WORKERS_CONNECTOR_TEST_TIMEOUT_S": "120"}
    place = Place(root / "work", root / "home", {**patient, "LOCAL_ROOT": str(root / "work")})

    def tested(each: Real) -> Ended:
        config = json.dumps(each.config).replace("{work}", str(place.work))
        words = (each.image, "--launcher", "process", "--config", config, "-o", "json")
        return place.run("connector", "test", *words, seconds=400)

    with ThreadPoolExecutor(len(REAL)) as pool:
        yield {name: pool.submit(tested, each) for name, each in REAL.items()}


@pytest.mark.connectors
@pytest.mark.parametrize("name", REAL)
def test_a_real_connector(real: Mapping[str, Future[Ended]], name: str) -> None:
    ended = real[name].result()
    assert ended.code == 0, ended.out + ended.err
    bad = {each["finding"] for each in ended.report["verdicts"] if each["verdict"] in ("warning", "fail")}
    assert bad == REAL[name].findings, ended.out
    assert ended.report["connector"] == REAL[name].image
