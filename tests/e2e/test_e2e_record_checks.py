"""Records that do not fit their stream's schema, as people meet them: warned of, kept to be looked at, or the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from e2e_support import Place, catalog, misbehaving

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]
TOLD = "id: is not of type string but integer"
COUNTED = "10 of 10 checked records of a do not fit its schema, then no more were checked"


def content(place: Place, name: str, **more: Any) -> dict[str, Any]:
    """Half of the source's 20 records are broken lines, and the ids of the others are not what the catalog says."""
    streams = catalog("a")
    streams["streams"][0]["stream"]["json_schema"]["properties"]["id"] = {"type": "string"}
    return {
        "connection": name,
        "source": misbehaving("bad-json", streams=["a"], records=20),
        "destination": place.jsonl(),
        "catalog": streams,
        "allow_malformed": True,
        **more,
    }


def test_records_that_do_not_fit_are_warned_of_and_can_be_read_where_they_were_kept(place: Place) -> None:
    done = place.sync(content(place, "odd", validation={"dead_letters": True}))
    assert (done.code, done.report["status"]) == (0, "succeeded"), done.err
    job = str(done.report["job_id"])
    assert place.ids("a") == list(range(10))
    assert (done.report["evidence"]["records_validated"], done.report["evidence"]["records_invalid"]) == (10, 10)
    assert done.report["warnings"] == [
        "10 malformed line(s) were dropped",
        f"validation: {COUNTED}: {TOLD} (10)",
        f"dead letters: 20 kept; read them with `airbyte-workers jobs dead-letters {job} --attempt 1`",
    ]
    # the page of the job
    page = place.run("jobs", "show", job).out
    assert "10 records checked, 10 do not fit their schema" in page
    assert f"validation of attempt 1\n  {COUNTED}\n    {TOLD} (10)\n" in page
    (attempt,) = place.job(int(job))["attempts"]
    assert (attempt["validation"][0]["name"], attempt["validation"][0]["errors"]) == ("a", [[TOLD, 10]])
    # what was kept
    letters = place.run("jobs", "dead-letters", job)
    assert letters.code == 0
    read = [json.loads(line) for line in letters.out.splitlines()]
    assert [each["record"]["id"] for each in read if "record" in each] == list(range(10))
    assert read[0] == {"stream": "a", "namespace": None, "reasons": [TOLD], "record": {"id": 0}}
    assert [each["line"][:16] for each in read if each.get("reason") == "malformed"] == ['{"type":"RECORD"'] * 10
    # it is no part of the log
    log = place.log(int(job))
    assert f"a: a record does not fit its schema: {TOLD}" in log
    assert '"record"' not in log
    wrong = place.run("jobs", "dead-letters", job, "--attempt", "2")
    assert (wrong.code, wrong.error) == (2, f"job {job} has had 1 attempt: there is no attempt 2")


def test_more_than_are_allowed_fail_the_sync_and_it_is_not_tried_again(place: Place) -> None:
    done = place.sync(content(place, "too-odd", validation={"mode": "full", "max_invalid_records": 3}))
    report = done.report
    assert (done.code, report["status"], len(report["attempts"])) == (1, "failed", 1)
    failure = report["failures"][0]
    assert (failure["origin"], failure["type"]) == ("source", "invalid_records")
    assert failure["message"] == (
        "4 records do not fit their stream's schema, more than the 3 of validation.max_invalid_records: a (4)"
    )
    assert "a invalid_records is not retried" in report["reason"]
    # nothing was kept: nobody had asked for it
    none = place.run("jobs", "dead-letters", str(report["job_id"]))
    assert (none.code, none.out) == (0, "")
    assert none.err.startswith(f"there are no dead letters of attempt 1 of job {report['job_id']}: ")


def test_what_is_off_says_nothing(place: Place) -> None:
    done = place.sync(content(place, "unseen", validation={"mode": "off"}))
    assert (done.code, done.report["evidence"]["records_validated"]) == (0, 0)
    assert done.report["warnings"] == ["10 malformed line(s) were dropped"]
    assert "validation of attempt" not in place.run("jobs", "show", str(done.report["job_id"])).out
