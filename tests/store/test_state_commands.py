"""`airbyte-workers state` on a database: what people and programs read, for every type of state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from books import Books, opened_books
from click.testing import CliRunner
from rows import close_job
from state_pasts import Past

from airbyte_workers.cli.main import main
from airbyte_workers.models import JobStatus
from airbyte_workers.store import states
from airbyte_workers.store.sealing import Seal
from airbyte_workers.store.states import StateRow

pytestmark = pytest.mark.postgres


def message(type: str, value: int) -> str:
    """A state of each type in which `users` has come so far; a GLOBAL one shares as much."""
    entry = {"stream_descriptor": {"name": "users"}, "stream_state": {"c": value}}
    if type == "STREAM":
        return json.dumps({"type": "STREAM", "stream": entry})
    if type == "LEGACY":
        return json.dumps({"users": value})
    return json.dumps({"type": "GLOBAL", "global": {"shared_state": {"l": value}, "stream_states": [entry]}})


def of_stream(value: int, seq: int) -> StateRow:
    return StateRow("STREAM", "users", None, message("STREAM", value), seq, records=10)


@dataclass(frozen=True)
class Said:
    """What a command said, and with which exit code it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Shell:
    """Commands on a database, and the past of a connection in it."""

    books: Books
    url: str

    def __call__(self, *words: str) -> Said:
        environment = {"DATABASE_URL": self.url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
        done = CliRunner().invoke(main, ["state", *words], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def job(self, *rows: Sequence[StateRow], name: str = "demo", ends: bool = True) -> int:
        """A job that commits these, batch by batch."""

        async def run(db: Any) -> int:
            owner = await Past(db, Seal(b"k" * 32), name).writer()
            for batch in rows:
                await states.commit(db, owner, batch, [])
            if ends:
                await close_job(db, owner.job_id, JobStatus.FAILED, by="me", reason="so")
            return owner.job_id

        return self.books.run(run)

    def of_type(self, type: str, value: int) -> int:
        """A job that commits a state of a type."""
        stream = "users" if type == "STREAM" else ""
        return self.job([StateRow(type, stream, None, message(type, value), 1, records=10)])


@pytest.fixture
def shell(empty_url: str) -> Iterator[Shell]:
    with opened_books(empty_url) as opened:
        yield Shell(opened, empty_url)


ALL_TYPES = pytest.mark.parametrize("type", ["STREAM", "GLOBAL", "LEGACY"])


# --- show ---


@ALL_TYPES
def test_the_state_is_shown_as_the_file_that_a_source_reads(shell: Shell, type: str) -> None:
    shell.of_type(type, 5)
    whole = json.loads(message(type, 5))
    assert shell("show", "demo", "-o", "json").json == (whole if type == "LEGACY" else [whole])


@pytest.mark.parametrize(
    ("type", "rows"),
    [
        ("STREAM", [("users", '{"c":5}')]),
        ("GLOBAL", [("shared by all streams", '{"l":5}'), ("users", '{"c":5}')]),
        ("LEGACY", [("all streams", '{"users":5}')]),
    ],
)
def test_people_are_shown_every_stream_with_who_committed_it(
    shell: Shell, type: str, rows: list[tuple[str, str]]
) -> None:
    job = shell.of_type(type, 5)
    head, *lines = shell("show", "demo").lines
    assert head.split() == ["stream", "type", "committed", "by", "state"]
    for line, (name, blob) in zip(lines, rows, strict=True):
        assert line.startswith(name)
        assert line.endswith(f"  job {job}, attempt 1  {blob}")
        assert f"  {type}  20" in line


def test_no_state_says_what_that_means(shell: Shell) -> None:
    shell.job()
    assert shell("show", "demo") == Said(0, "no state: the next sync reads everything\n", "")
    assert shell("show", "demo", "-o", "json").json == []


def test_every_byte_of_a_state_is_shown_to_programs(shell: Shell) -> None:
    blob = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":1.10,"u":"\\u0000"}}}'
    shell.job([StateRow("STREAM", "users", None, blob, 1)])
    assert shell("show", "demo", "-o", "json").out == f"[{blob}]\n"


def test_a_huge_state_is_cut_for_people(shell: Shell) -> None:
    blob = message("STREAM", 1).replace('"c": 1', f'"c": "{"x" * 1_000_000}"')
    shell.job([StateRow("STREAM", "users", None, blob, 1)])
    for words in (("show", "demo"), ("log", "demo"), ("rewind", "demo", "--to", "@0")):
        assert len(max(shell(*words).lines, key=len)) < 1000
    assert len(shell("log", "demo", "-o", "json").json[0]["state"]["stream"]["stream_state"]["c"]) == 1_000_000


@pytest.mark.parametrize(
    "words", [("show",), ("log",), ("diff",), ("rewind", "--to", "1"), ("rewind", "--to", "1", "--yes")]
)
def test_an_unknown_connection_is_told_with_a_name_that_is_close(shell: Shell, words: tuple[str, ...]) -> None:
    shell.job()
    said = shell(words[0], "demmo", *words[1:])
    assert (said.code, said.err) == (2, "error: there is no connection demmo; did you mean demo?\n")
    assert shell(words[0], "demmo", *words[1:], "-o", "json").json["error"]["type"] == "InvalidInput"


# --- log ---


def test_the_log_has_the_newest_first_and_tells_how_to_go_on(shell: Shell) -> None:
    job = shell.job([of_stream(1, 1)], [of_stream(2, 2)], [of_stream(3, 3)])
    said = shell("log", "demo", "--limit", "2")
    head, newest, older = said.lines
    assert head.split() == ["entry", "committed", "by", "stream", "records", "state"]
    assert newest.startswith("@3 ")
    assert newest.endswith(f'  job {job}, attempt 1  users        10  {{"c":3}}')
    assert older.startswith("@2 ")
    assert said.err == "there are older ones: --before @2\n"
    last = shell("log", "demo", "--before", "@2")
    assert ([line.split()[0] for line in last.lines[1:]], last.err) == (["@1"], "")


@ALL_TYPES
def test_programs_read_the_log_whole(shell: Shell, type: str) -> None:
    job = shell.of_type(type, 5)
    shell("rewind", "demo", "--to", f"before:{job}", "--yes")
    erased, put = shell("log", "demo", "-o", "json").json
    assert put["state"] == json.loads(message(type, 5))
    assert (put["job_id"], put["attempt"], put["records"], put["by"]) == (job, 1, 10, "")
    assert (erased["state"], erased["job_id"], erased["restores"]) == (None, None, 0)
    assert erased["reason"] == f"rewind to before job {job}"
    assert erased["stream"] == ("users" if type == "STREAM" else None)


def test_ten_thousand_entries_are_read_page_by_page(shell: Shell) -> None:
    shell.job(*[[of_stream(seq, seq)] for seq in range(1, 3)])
    shell.books.run(
        lambda db: db.execute(
            """
            insert into state_log (connection_id, type, stream, state, fence, seq, job_id, attempt, at)
            select connection_id, type, stream, state, fence, 2 + number, job_id, attempt, at + number * interval '1 s'
            from state_log, generate_series(1, 10000) as number where id = 2
            """
        )
    )
    assert len(shell("log", "demo", "--limit", "100000").lines) == 10_003
    assert len(shell("log", "demo", "--limit", "5000", "-o", "json").json) == 5000
    assert shell("diff", "demo", "--from", "@1", "--to", "@2").lines[1:] == ["  users", "    c: 1 -> 2"]


def test_the_log_of_a_stream(shell: Shell) -> None:
    shell.job([of_stream(1, 1), StateRow("STREAM", "logs", "n", message("STREAM", 1), 2)])
    assert [entry["stream"] for entry in shell("log", "demo", "--stream", "n.logs", "-o", "json").json] == ["logs"]
    said = shell("log", "demo", "--stream", "n.log")
    assert (said.code, said.err) == (
        2,
        "error: no state of demo was ever of a stream n.log; did you mean n.logs?\n",
    )
    shell.job(name="new")
    assert shell("log", "new", "--stream", "any").out == "nothing was committed yet\n"
    assert shell("log", "demo", "--before", "@1").out == "nothing was committed before @1\n"
    assert shell("log", "demo", "--before", "@0", "-o", "json").json == []
    assert shell("log", "demo", "--before", "x").code == 2


# --- diff ---


@ALL_TYPES
def test_what_the_last_job_changed_is_compared_by_default(shell: Shell, type: str) -> None:
    first, last = shell.of_type(type, 5), shell.of_type(type, 6)
    said = shell("diff", "demo")
    assert said.lines[0] == f"demo: from before job {last} to now"
    field = "users" if type == "LEGACY" else "c"
    assert f"    {field}: 5 -> 6" in said.lines
    assert shell("diff", "demo", "--to", str(first)).lines[0] == f"demo: from before job {first} to job {first}"
    compared = shell("diff", "demo", "--from", str(first), "--to", str(last), "-o", "json").json
    assert (compared["from"], compared["to"]) == (
        {"point": f"job {first}", "entry": 1},
        {"point": f"job {last}", "entry": 2},
    )
    assert {"path": field, "before": 5, "after": 6} in [
        each for part in compared["differences"] for each in part["fields"]
    ]


def test_no_difference_says_so(shell: Shell) -> None:
    job = shell.of_type("STREAM", 5)
    assert shell("diff", "demo", "--from", str(job)).out == f"demo: from job {job} to now\n  no difference\n"


def test_a_connection_without_a_job_has_nothing_to_compare(shell: Shell) -> None:
    shell.job()
    shell.books.run(lambda db: db.execute("delete from jobs"))
    assert "connection demo has had no job yet: there is nothing to compare" in shell("diff", "demo").err


# --- rewind ---


def synced(shell: Shell) -> tuple[int, int]:
    first = shell.job([of_stream(1, 1)])
    return first, shell.job([of_stream(2, 1)], [of_stream(3, 2)])


def test_a_dry_run_tells_the_difference_and_what_is_read_again_and_how_to_do_it(shell: Shell) -> None:
    first, _ = synced(shell)
    assert shell("rewind", "demo", "--to", str(first)).lines == [
        f"demo: a rewind to job {first} (@1)",
        "  users",
        "    c: 3 -> 1",
        "the next sync:",
        "  users: 20 records read again",
        "    they come again as new rows (append)",
        f"nothing is changed yet; to do it: airbyte-workers state rewind demo --to {first} --yes",
    ]
    assert shell("show", "demo", "-o", "json").json == [json.loads(message("STREAM", 3))]


def test_it_is_done_with_yes_and_tells_how_to_undo_it(shell: Shell) -> None:
    first, _ = synced(shell)
    said = shell("rewind", "demo", "--to", str(first), "--yes")
    assert said.lines[0] == f"demo: rewound to job {first} (@1)"
    assert said.lines[-1] == "to undo it: airbyte-workers state rewind demo --to @3 --yes"
    assert "put back by " in shell("show", "demo").out
    undone = shell(*said.lines[-1].split()[5:]).lines
    assert "  users: 20 records not read again: committed before, and the state says so once more" in undone
    assert shell("show", "demo", "-o", "json").json == [json.loads(message("STREAM", 3))]


def test_programs_are_told_the_same(shell: Shell) -> None:
    first, _ = synced(shell)
    dry = shell("rewind", "demo", "--to", str(first), "-o", "json").json
    assert (dry["done"], dry["undo"], dry["to"]) == (False, None, {"point": str(first), "entry": 1})
    assert [each["records_again"] for each in dry["next_sync"]] == [20]
    done = shell("rewind", "demo", "--to", str(first), "--yes", "-o", "json").json
    assert (done["done"], done["undo"]) == (True, "@3")
    assert done["differences"] == dry["differences"]
    again = shell("rewind", "demo", "--to", str(first), "--yes", "-o", "json").json
    assert (again["done"], again["undo"], again["next_sync"]) == (False, None, [])


def test_where_it_is_already_nothing_is_to_do(shell: Shell) -> None:
    _, last = synced(shell)
    said = shell("rewind", "demo", "--to", str(last), "--yes")
    assert (said.code, said.out) == (
        0,
        f"demo: the state is as it was at job {last} (@3); nothing to change\n",
    )


def test_a_time_that_the_log_shows_means_its_entry(shell: Shell) -> None:
    synced(shell)
    shell.books.run(lambda db: db.execute("update state_log set at = at - (10 - id) * interval '1 minute'"))
    first = shell("log", "demo").lines[-1].split()
    said = shell("rewind", "demo", "--to", f"{first[1]} {first[2]}")
    assert said.lines[0] == f"demo: a rewind to {first[1]} {first[2]} (@1)"
    typed = said.lines[-1].split(" --to ")[1].split()[0]
    assert shell("rewind", "demo", "--to", typed).lines[0] == said.lines[0]


def test_a_live_job_is_in_the_way_of_a_rewind_but_not_of_a_dry_run(shell: Shell) -> None:
    first = shell.job([of_stream(1, 1)])
    live = shell.job([of_stream(2, 1)], ends=False)
    said = shell("rewind", "demo", "--to", str(first), "--yes")
    assert (said.code, said.err) == (
        2,
        f"error: connection demo is syncing (job {live}): wait for its end, or cancel it\n",
    )
    assert shell("rewind", "demo", "--to", str(first)).code == 0
    busy = shell("rewind", "demo", "--to", str(first), "--yes", "-o", "json").json
    assert busy["error"]["type"] == "ConnectionBusy"


def test_data_that_was_removed_since_does_not_come_back_and_people_are_warned(shell: Shell) -> None:
    first = shell.job([of_stream(1, 1)])
    clear = shell.job([of_stream(2, 1)])
    shell.books.run(lambda db: db.execute("update jobs set kind = 'clear' where id = $1", clear))
    said = shell("rewind", "demo", "--to", str(first))
    assert f"note: job {clear} (clear) came since" in said.out
    assert shell("rewind", "demo", "--to", str(first), "-o", "json").json["data_removed_by_jobs"] == [clear]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("99", "error: there is no job 99; see: airbyte-workers jobs list --connection demo"),
        ("@99", "error: the state log of demo has no entry @99; see: airbyte-workers state log demo"),
        (
            "2020-01-01",
            "error: nothing was committed of demo before 2020-01-01 00:00:00; see: airbyte-workers state log demo",
        ),
        ("2999-01-01", "'2999-01-01' is in the future"),
        ("soon", "'soon' is no point in the past: write a job's number"),
    ],
)
def test_what_is_no_point_is_refused(shell: Shell, to: str, said: str) -> None:
    synced(shell)
    for more in ((), ("--yes",)):
        refused = shell("rewind", "demo", "--to", to, *more)
        assert refused.code == 2
        assert said in refused.err


def test_a_database_that_does_not_answer_is_told_in_a_sentence(shell: Shell) -> None:
    nowhere = Shell(shell.books, "postgresql://127.0.0.1:1/none")
    said = nowhere("rewind", "demo", "--to", "1", "--yes")
    assert said.code == 1
    assert said.err.startswith("error: cannot reach PostgreSQL (DATABASE_URL)")


def test_a_database_that_goes_away_meanwhile_leaves_open_whether_it_was_done(shell: Shell) -> None:
    first, _ = synced(shell)
    shell.books.run(
        lambda db: db.execute(
            """
            create function away() returns trigger language plpgsql as
            $$ begin raise exception 'the server is going down' using errcode = '57P01'; end $$;
            create trigger away before insert on state_log execute function away();
            """
        )
    )
    said = shell("rewind", "demo", "--to", str(first), "--yes")
    assert (said.code, said.err) == (
        1,
        "error: PostgreSQL (DATABASE_URL) does not answer: AdminShutdownError; whether the rewind was done is not"
        " known: look with `state log`\n",
    )


def test_whoever_has_seen_enough_of_the_log_may_leave(shell: Shell) -> None:
    """As `| head -1` does."""
    shell.job(*[[of_stream(seq, seq)] for seq in range(1, 6)])
    shell.books.run(
        lambda db: db.execute(
            """
            insert into state_log (connection_id, type, stream, state, fence, seq, job_id, attempt, at)
            select connection_id, type, stream, state, fence, 9, job_id, attempt, at + number * interval '1 s'
            from state_log, generate_series(1, 10000) as number where id = 5
            """
        )
    )
    program = Path(sys.executable).with_name("airbyte-workers")
    environment = os.environ | {"DATABASE_URL": shell.url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    words = [str(program), "state", "log", "demo", "--limit", "10000"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline().split()[0] == b"entry"
        command.stdout.close()
        said = command.stderr.read()
    assert (command.returncode, said) == (0, b"")
