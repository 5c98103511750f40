"""What the engine is asked for: the connector's words, a container's plan, what is found again by its labels."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_workers.names import JobKind, Role
from airbyte_workers.pods.container_plan import (
    FOLDER,
    ContainerPlan,
    ImageFacts,
    Mount,
    container_labels,
    find_user,
    pod_labels,
    pod_roles,
    user_parts,
    wrapped,
)
from airbyte_workers.pods.pod import ContainerLimits, ContainerSpec, LaunchFailed, PodSpec, Program

IMAGE = ImageFacts("airbyte/source-faker:7.2.1", "sha256:abc", ("python", "main.py"))
MIB = 2**20


def image(**config: Any) -> ImageFacts:
    return ImageFacts.of("airbyte/x:1", {"Id": "sha256:1", "Config": config})


def plan(**changes: Any) -> ContainerPlan:
    given = {"image": IMAGE, "words": ("/bin/sh", "wrapper", "source"), "labels": {"job": "7"}, "network": "bridge"}
    return ContainerPlan(**(given | changes))


# --- how a connector is started ---


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"Entrypoint": ["python", "main.py"]}, ("python", "main.py", "read")),
        ({"Entrypoint": ["/run"], "Env": None}, ("/run", "read")),
        ({"Entrypoint": ["/run"], "Env": ["AIRBYTE_ENTRYPOINT="]}, ("/run", "read")),
        ({"Entrypoint": ["/run"], "Env": ["AIRBYTE_ENTRYPOINT= \t "]}, ("/run", "read")),
        ({"Entrypoint": ["/run"], "Env": ["AIRBYTE_ENTRYPOINT"]}, ("/run", "read")),
        ({"Entrypoint": ["/run"], "Env": ["MY_AIRBYTE_ENTRYPOINT=/other"]}, ("/run", "read")),
        ({"Entrypoint": ["/run"], "Cmd": ["--help"]}, ("/run", "read")),
    ],
)
def test_without_the_variable_the_entrypoint_is_the_program(config: dict[str, Any], words: tuple[str, ...]) -> None:
    assert image(**config).words(["read"]) == words


@pytest.mark.parametrize("entrypoint", [None, [], ["/other"]])
@pytest.mark.parametrize("shell", ["/bin/sh", f"{FOLDER}/sh"])
def test_the_variable_wins_over_the_entrypoint_and_is_read_by_a_shell(entrypoint: Any, shell: str) -> None:
    seen = image(Entrypoint=entrypoint, Env=["PATH=/bin", "AIRBYTE_ENTRYPOINT=python /airbyte/main.py"])
    assert seen.words(["read", "--config"], shell)[:2] == (shell, "-c")
    assert seen.words(["read", "--config"], shell)[3:] == ("sh", "read", "--config")


@pytest.mark.parametrize("config", [{}, {"Entrypoint": None, "Cmd": ["bash"]}, {"Env": ["AIRBYTE_ENTRYPOINT=  "]}])
def test_an_image_with_neither_is_no_connector(config: dict[str, Any]) -> None:
    with pytest.raises(LaunchFailed, match="airbyte/x:1 is not a connector: it has neither") as caught:
        image(**config).words([])
    assert not caught.value.retryable


@pytest.mark.parametrize("seen", [{"Id": "sha256:1"}, {"Id": "sha256:1", "Config": None}])
def test_an_image_of_which_the_engine_tells_nothing_has_nothing(seen: dict[str, Any]) -> None:
    assert ImageFacts.of("x", seen) == ImageFacts("x", "sha256:1")


def test_a_variable_with_equal_signs_is_read_whole() -> None:
    assert image(Env=["AIRBYTE_ENTRYPOINT==x"]).has_variable


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("printf '<%s>'", "<read><--config><{odd}>"),
        ("printf '<%s>' \"two words\" 'and '\\''one'", "<two words><and 'one><read><--config><{odd}>"),
        ("printf '<%s>' $UNSET '$HOME'", "<$HOME><read><--config><{odd}>"),
    ],
)
@pytest.mark.parametrize("odd", ["a b", "$(touch owned) `id` $HOME", 'it\'s "so"', "*", ";exit 3", "-n", "", "\n"])
def test_quotes_of_the_variable_are_kept_and_arguments_are_never_evaluated(
    variable: str, said: str, odd: str, tmp_path: Any
) -> None:
    words = image(Env=[f"AIRBYTE_ENTRYPOINT={variable}"]).words(["read", "--config", odd])
    environment = {"AIRBYTE_ENTRYPOINT": variable, "PATH": "/usr/bin:/bin", "HOME": "/home/me"}
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == said.replace("{odd}", odd)
    assert list(tmp_path.iterdir()) == []


def test_a_container_runs_the_wrapper_with_the_connectors_words() -> None:
    assert wrapped(("python", "main.py"), "source", FOLDER) == (
        "/bin/sh",
        f"{FOLDER}/connector_wrapper.sh",
        "source",
        FOLDER,
        "python",
        "main.py",
    )
    assert wrapped(("x",), "main", "/f", "/f/sh")[0] == "/f/sh"


# --- the plan ---


def test_a_plan_is_exactly_this() -> None:
    asked = plan(
        mounts=(
            Mount("/home/me/pods", FOLDER),
            Mount("volume", "/v", volume=True),
            Mount("/l", "/local", relabel=True),
        ),
        variables={"DEPLOYMENT_MODE": "OSS", "EMPTY": ""},
        limits=ContainerLimits(cpus=0.5, memory_bytes=512 * MIB, pids=100),
        user="1000:1001",
    )
    assert asked.config() == {
        "Image": IMAGE.name,
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["wrapper", "source"],
        "Env": ["DEPLOYMENT_MODE=OSS", "EMPTY="],
        "Labels": {"job": "7"},
        "Healthcheck": {"Test": ["NONE"]},
        "User": "1000:1001",
        "HostConfig": {
            "Init": True,
            "LogConfig": {"Type": "none", "Config": {}},
            "NetworkMode": "bridge",
            "Binds": [f"/home/me/pods:{FOLDER}:rw", "volume:/v:rw", "/l:/local:rw,z"],
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["MKNOD"],
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "NanoCpus": 500_000_000,
            "Memory": 512 * MIB,
            "MemorySwap": 512 * MIB,
            "PidsLimit": 100,
        },
    }


def test_the_engine_gets_no_standard_stream_and_keeps_no_log() -> None:
    body = plan().config()
    streams = {"AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce", "Tty"}
    assert not streams & body.keys()
    assert body["HostConfig"]["LogConfig"] == {"Type": "none", "Config": {}}


LIMITS = {"cpus": {"NanoCpus"}, "memory_bytes": {"Memory", "MemorySwap"}, "pids": {"PidsLimit"}}


@given(
    st.none() | st.floats(0.01, 1000),
    st.none() | st.integers(6 * MIB, 2**50),
    st.none() | st.integers(1, 10**6),
    st.none() | st.sampled_from(["0", "1000:1000"]),
)
def test_limits_and_user_are_there_only_where_they_were_given(
    cpus: float | None, memory: int | None, pids: int | None, user: str | None
) -> None:
    body = plan(limits=ContainerLimits(cpus, memory, pids), user=user).config()
    given_limits = {"cpus": cpus, "memory_bytes": memory, "pids": pids}
    wanted = set().union(*(names for name, names in LIMITS.items() if given_limits[name] is not None))
    assert wanted == body["HostConfig"].keys() & set().union(*LIMITS.values())
    assert ("User" in body) == (user is not None)
    if memory is not None:  # no swap beside it: else the limit is twice what was asked for
        assert body["HostConfig"]["MemorySwap"] == body["HostConfig"]["Memory"] == memory
    if cpus is not None:
        assert body["HostConfig"]["NanoCpus"] / 1e9 == pytest.approx(cpus, abs=1e-9)


def test_no_limit_of_processes_is_asked_for_as_0() -> None:
    assert "PidsLimit" not in plan(limits=ContainerLimits(pids=0)).config()["HostConfig"]


def test_a_folder_that_the_engine_would_read_as_two_is_refused() -> None:
    with pytest.raises(LaunchFailed, match=r"^/a:b cannot be mounted into a container: there is a colon in its path$"):
        Mount("/a:b", "/local")


# --- what the engine made of it ---

FULL = plan(limits=ContainerLimits(cpus=2, memory_bytes=512 * MIB, pids=100))


def taken_over(asked: ContainerPlan, **changed: Any) -> dict[str, Any]:
    """What an engine tells of a container that is as it was asked for, but for this."""
    more = {"LogConfig": {"Type": "none", "Config": {"engine": "adds this"}}, "Devices": None, "Privileged": False}
    return {"Image": IMAGE.id, "HostConfig": asked.config()["HostConfig"] | more | changed}


def test_a_container_as_it_was_asked_for_is_not_refused() -> None:
    assert list(FULL.refused(taken_over(FULL))) == []
    assert list(plan().refused(taken_over(plan(), Memory=0, NanoCpus=0, PidsLimit=None))) == []


@pytest.mark.parametrize(
    ("changed", "phrase"),
    [
        ({"Init": None}, "init process is None instead of True"),
        ({"Init": False}, "init process is False instead of True"),
        ({"LogConfig": {"Type": "json-file"}}, "log driver is json-file instead of none"),
        ({"LogConfig": None}, "log driver is None instead of none"),
        ({"NanoCpus": 0}, "CPU limit (in 10^-9 cores) is 0 instead of 2000000000"),
        ({"Memory": 0}, f"memory limit is 0 instead of {512 * MIB}"),
        ({"Memory": 1024 * MIB}, f"memory limit is {1024 * MIB} instead of {512 * MIB}"),
        ({"PidsLimit": None}, "limit of processes is None instead of 100"),
        ({"PidsLimit": -1}, "limit of processes is -1 instead of 100"),
    ],
)
def test_what_the_engine_did_not_take_over_is_told(changed: dict[str, Any], phrase: str) -> None:
    assert list(FULL.refused(taken_over(FULL, **changed))) == [phrase]


@pytest.mark.parametrize("seen", [{}, {"HostConfig": None}])
def test_of_a_container_that_nobody_sees_everything_is_told(seen: dict[str, Any]) -> None:
    assert [phrase.partition(" is ")[0] for phrase in FULL.refused(seen)] == [
        "init process",
        "log driver",
        "CPU limit (in 10^-9 cores)",
        "memory limit",
        "limit of processes",
    ]


# --- labels ---

names = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-._/"), min_size=1, max_size=20)
labels = st.dictionaries(names.filter(lambda name: not name.startswith("airbyte-workers")), st.text(max_size=20))


def spec(name: str, roles: list[Role], labels: Mapping[str, str]) -> PodSpec:
    """A pod with containers in all these roles but the last, which is its own program's."""
    containers = tuple(ContainerSpec(role, Program(image="i"), ()) for role in roles[:-1])
    return PodSpec(name, JobKind.SYNC, containers, roles[-1], b"", labels)


@given(labels, labels, st.lists(st.sampled_from(Role), unique=True, min_size=1))
def test_labels_of_a_pod_come_back_whatever_its_image_adds(
    own: Mapping[str, str], images: Mapping[str, str], roles: list[Role]
) -> None:
    made = container_labels("stack", spec("replication-job-7-attempt-0", roles, own), Role.SOURCE)
    seen = {**images, **made}  # the engine: a container's labels win over its image's
    assert pod_labels(seen) == own
    assert pod_roles(seen) == tuple(roles)
    assert (seen["airbyte-workers.stack"], seen["airbyte-workers.role"]) == ("stack", "source")
    assert seen["airbyte-workers.pod"] == "replication-job-7-attempt-0"


def test_labels_of_a_pod_cannot_take_the_place_of_those_by_which_it_is_found() -> None:
    made = container_labels("mine", spec("p", [Role.MAIN], {"airbyte-workers.stack": "other", "job": "7"}), Role.MAIN)
    assert made["airbyte-workers.stack"] == "mine"


def test_a_container_without_our_labels_has_none() -> None:
    assert pod_labels({"maintainer": "me"}) == {}
    assert pod_roles({"maintainer": "me"}) == ()


# --- users ---


@pytest.mark.parametrize(
    ("user", "parts"),
    [
        ("", ("0", "")),
        ("airbyte", ("airbyte", "")),
        ("1000", ("1000", "")),
        ("1000:1001", ("1000", "1001")),
        ("airbyte:staff", ("airbyte", "staff")),
        (":1001", ("0", "1001")),
        ("1000:", ("1000", "")),
    ],
)
def test_the_parts_of_an_images_user(user: str, parts: tuple[str, str]) -> None:
    assert user_parts(user) == parts


PASSWD = b"""root:x:0:0:root:/root:/bin/bash

# comment
broken
short:x:5
airbyte:x:1000:1001::/home/airbyte:/bin/sh
letters:x:ten:eleven:::
minus:x:-1:-1:::
1000:x:77:78:a name of digits:/:/bin/sh
na\xffve:x:12:13:::
second:x:1000:9:::
no-newline:x:14:15"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("root", (0, 0)),
        ("0", (0, 0)),
        ("airbyte", (1000, 1001)),
        ("1000", (1000, 1001)),
        ("second", (1000, 9)),
        ("no-newline", (14, 15)),
        ("14", (14, 15)),
        ("na\ufffdve", (12, 13)),
        ("short", None),
        ("5", None),
        ("letters", None),
        ("minus", None),
        ("-1", None),
        ("broken", None),
        ("# comment", None),
        ("nobody", None),
        ("", None),
        ("x", None),
        ("/bin/sh", None),
    ],
)
def test_a_user_is_found_by_name_or_number(name: str, found: tuple[int, int] | None) -> None:
    assert find_user(name, PASSWD) == found


@given(st.binary(max_size=300), st.text(max_size=8))
def test_no_passwd_file_is_too_odd_to_be_read(passwd: bytes, name: str) -> None:
    assert find_user(name, passwd) is None or b":" in passwd


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"meltano" not in line), max_size=5), st.integers(0, 2**31))
def test_a_user_is_found_among_any_garbage(garbage: list[bytes], uid: int) -> None:
    passwd = b"\n".join([*garbage, b"meltano:x:%d:7:::" % uid, *garbage])
    assert find_user("meltano", passwd) == (uid, 7)


def test_an_empty_passwd_file_knows_nobody() -> None:
    assert find_user("root", b"") is None
