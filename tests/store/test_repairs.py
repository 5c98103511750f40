"""Rows against Temporal: jobs whose runs are over are ended, with what their pods have left; no other is touched."""

from __future__ import annotations

import asyncio

import pytest
from cut_off import HERE, MISSING, TERMINATED, WHY, Stand
from desk import Desk, NoEngine
from rows import FAILED, SUCCEEDED, close_attempt, request, sync_input
from temporalio.exceptions import ApplicationError

from activities.bookkeeping import BookkeepingActivities
from activities.repairs import Repairs
from activities.run_looks import TemporalAway
from airbyte_workers.jobs.reconciliation import Seen, Sighting, TemporalNamespace, end_of
from airbyte_workers.models import (
    AttemptSummary,
    Evidence,
    Failure,
    FailureOrigin,
    FailureType,
    OpenJob,
    StreamCounts,
    SyncReport,
)
from airbyte_workers.names import JobKind
from airbyte_workers.store import attempts, history, jobs, reconciling, run_sightings, workloads
from airbyte_workers.store.reconciling import Left

pytestmark = pytest.mark.postgres
CLOSED = ["terminated", "failed", "timed_out", "canceled", "completed", "continued_as_new"]
COUNTS = (StreamCounts(name="users", records_emitted=9, records_committed=5),)
STOPPED = AttemptSummary(
    status="cancelled",
    failures=(Failure(origin="airbyte_platform", type="manual_cancellation", message="the job was cancelled"),),
    evidence=Evidence(records_emitted=9),
    streams=COUNTS,
)


@pytest.fixture
def stand(desk: Desk) -> Stand:
    return Stand(desk)


async def report_of(stand: Stand, job_id: int) -> SyncReport:
    return await history.report(stand.db, job_id)


# --- a run that is over -----------------------------------------------------------------------------------------------


async def test_d21_of_a_terminated_run_the_attempt_and_the_job_have_failed(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, STOPPED)
    await stand.say(job_id, TERMINATED)
    await stand.round()
    report = await report_of(stand, job_id)
    assert (report.status, report.ended_by, report.reason) == ("failed", "reconciler", WHY)
    lost = Failure(origin=FailureOrigin.PLATFORM, type=FailureType.TRANSIENT_ERROR, message=WHY)
    assert report.failures == (lost,)
    (attempt,) = report.attempts
    assert (attempt.status, attempt.failures, attempt.ended_at is not None) == ("failed", (lost,), True)
    assert (report.records_committed, report.evidence) == (5, STOPPED.evidence)
    assert await stand.past(job_id) == [("run over", WHY), ("failed", WHY)]


async def test_d21_attempts_that_had_ended_before_and_jobs_that_have_stay_as_they_are(stand: Stand) -> None:
    succeeded = await stand.job()
    await close_attempt(stand.db, succeeded, 0, SUCCEEDED)
    job_id = await stand.job()
    await close_attempt(stand.db, job_id, 0, FAILED)
    await stand.launched(job_id, 1)
    await stand.db.execute("update workloads set status = 'failure'")
    first = await stand.db.fetchrow("select * from attempts where job_id = $1 and number = 0", job_id)
    for each in (succeeded, job_id):
        await stand.say(each, TERMINATED)
    await stand.round()
    assert await stand.db.fetchrow("select * from attempts where job_id = $1 and number = 0", job_id) == first
    assert [each.status for each in (await report_of(stand, job_id)).attempts] == ["failed", "failed"]
    assert (await stand.status(job_id), await stand.status(succeeded)) == ("failed", "succeeded")
    assert await stand.past(succeeded) == []


@pytest.mark.parametrize("how", CLOSED)
async def test_whichever_way_a_run_has_closed_its_live_job_is_ended(stand: Stand, how: str) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, Sighting(Seen.CLOSED, how))
    await stand.round()
    assert await stand.status(job_id) == ("cancelled" if how == "canceled" else "failed")


@pytest.mark.parametrize("kind", [JobKind.SPEC, JobKind.CHECK, JobKind.DISCOVER])
async def test_questions_whose_runs_are_over_are_ended_too(stand: Stand, kind: JobKind) -> None:
    job_id = await stand.question(kind)
    await stand.say(job_id, TERMINATED)
    await stand.round()
    assert await stand.status(job_id) == "failed"


async def test_the_connection_can_be_synced_again(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, STOPPED)
    await stand.say(job_id, TERMINATED)
    await stand.round()
    assert await stand.status(await stand.job()) == "running"


async def test_a_sync_that_had_finished_is_closed_from_its_marker(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, AttemptSummary(status="succeeded", streams=COUNTS))
    await stand.say(job_id, TERMINATED)
    await stand.round()
    report = await report_of(stand, job_id)
    assert (report.status, report.attempts[0].status, report.records_committed) == ("succeeded", "succeeded", 5)
    told = f"{WHY}; its pod had finished, and nothing is missing"
    assert await stand.past(job_id) == [("run over", WHY), ("closed from what its pod reported", told)]


async def test_a_marker_of_another_databases_pod_is_no_proof(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, AttemptSummary(status="succeeded"))
    await stand.db.execute("update workloads set is_fresh = false")
    await stand.say(job_id, TERMINATED)
    await stand.round()
    assert await stand.status(job_id) == "failed"


async def test_a_marker_that_cannot_be_read_is_no_proof(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, AttemptSummary(status="succeeded"))
    await stand.desk.objects().put(f"state/replication-job-{job_id}-attempt-0/SUCCESS", b"{")
    await stand.say(job_id, TERMINATED)
    await stand.round()
    assert await stand.status(job_id) == "failed"


async def test_who_had_asked_for_the_end_is_told_when_the_run_is_terminated_on_its_way(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, STOPPED)
    await jobs.request_cancel(stand.db, job_id, by="bob", now=False)
    await stand.say(job_id, TERMINATED)
    await stand.round()
    report = await report_of(stand, job_id)
    assert (report.status, report.ended_by, report.reason) == ("cancelled", "bob", WHY)
    assert [failure.type for failure in report.attempts[0].failures] == ["manual_cancellation"]


# --- pods first -------------------------------------------------------------------------------------------------------


async def test_a_job_ends_after_its_pod(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.say(job_id, TERMINATED)
    await stand.round()
    assert await stand.status(job_id) == "running"
    assert await stand.past(job_id) == [("run over", WHY)]
    await stand.pod_ended(job_id, STOPPED)
    await stand.round()
    assert await stand.status(job_id) == "failed"
    assert (await report_of(stand, job_id)).records_committed == 5


async def test_a_pod_that_does_not_end_is_not_waited_for_any_longer(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.say(job_id, TERMINATED)
    await stand.round()
    await stand.aged(job_id, 19)
    await stand.round(reconcile_pod_wait_s=20)
    assert await stand.status(job_id) == "running"
    await stand.aged(job_id, 1)
    await stand.round(reconcile_pod_wait_s=20)
    assert await stand.status(job_id) == "failed"
    assert await workloads.is_live(stand.db, f"replication-job-{job_id}-attempt-0")


# --- no false repair --------------------------------------------------------------------------------------------------


async def test_jobs_whose_runs_run_are_left_alone(stand: Stand) -> None:
    job_id = await stand.job()
    before = await stand.db.fetchrow("select * from jobs")
    for _ in range(3):
        await stand.round()
    assert await stand.db.fetchrow("select * from jobs") == before
    assert await stand.past(job_id) == []
    assert (await _seen(stand, job_id)).seen_in == HERE


async def _seen(stand: Stand, job_id: int) -> run_sightings.SightedJob:
    pace = run_sightings.Pace(0, 0, 0, 1e6, 9)
    found = await run_sightings.sighted(stand.db, job_id, pace)
    assert found is not None
    return found


@pytest.mark.parametrize("sighting", [TERMINATED, MISSING])
async def test_a_job_that_was_opened_just_now_is_not_looked_at(stand: Stand, sighting: Sighting) -> None:
    job_id = await stand.job(age_s=0)
    await stand.say(job_id, sighting)
    await stand.round()
    assert (stand.temporal.asked, await stand.status(job_id)) == ([], "running")


async def test_while_temporal_is_away_nothing_is_concluded(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    stand.temporal.away = True
    for _ in range(3):
        with pytest.raises(TemporalAway):
            await stand.round()
    assert (await stand.status(job_id), await stand.past(job_id)) == ("pending", [])


async def test_temporal_that_goes_away_before_a_job_is_ended_is_waited_for(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, TERMINATED)
    await stand.repairs().look()
    stand.temporal.away = True
    with pytest.raises(TemporalAway):
        await stand.repairs().close()
    assert await stand.status(job_id) == "pending"
    stand.temporal.away = False
    await stand.repairs().close()
    assert await stand.status(job_id) == "failed"


async def test_u1_a_run_that_cannot_be_looked_at_keeps_no_other_job_waiting(stand: Stand) -> None:
    bad, good = await stand.other_job("bad"), await stand.other_job("good")
    await stand.say(bad, Sighting(Seen.UNKNOWN))
    await stand.say(good, TERMINATED)
    await stand.round()
    assert (await stand.status(bad), await stand.status(good)) == ("pending", "failed")


async def test_a_job_that_ends_between_two_looks_stays_as_it_ended(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.pod_ended(job_id, STOPPED)
    await stand.say(job_id, TERMINATED)
    await stand.repairs().look()
    await close_attempt(stand.db, job_id, 0, SUCCEEDED)
    await stand.repairs().close()
    assert await stand.status(job_id) == "succeeded"


async def test_what_was_terminated_and_then_reset_goes_on(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.say(job_id, TERMINATED)
    await stand.round()
    await stand.say(job_id, Sighting(Seen.CLOSED, "terminated", successor="second", successor_job=job_id))
    await stand.pod_ended(job_id, STOPPED)
    await stand.round()
    assert (await stand.status(job_id), await stand.run_of(job_id)) == ("running", "second")
    await stand.round()
    assert await stand.status(job_id) == "running"


# --- runs that Temporal does not know ---------------------------------------------------------------------------------


async def seen_then_missing(stand: Stand) -> int:
    job_id = await stand.job(running=False)
    await stand.round()
    await stand.say(job_id, MISSING)
    return job_id


async def test_a_deleted_run_is_looked_for_twice(stand: Stand) -> None:
    job_id = await seen_then_missing(stand)
    await stand.round()
    assert await stand.status(job_id) == "pending"
    await stand.aged(job_id, 6)
    await stand.db.execute("update job_runs set looked_at = '-infinity'")
    await stand.round()
    told = "the job's run is not known to Temporal any more: it was deleted"
    assert (await stand.status(job_id), (await report_of(stand, job_id)).reason) == ("failed", told)


async def test_a_run_that_is_found_again_was_never_missing(stand: Stand) -> None:
    job_id = await seen_then_missing(stand)
    await stand.round()
    stand.temporal.says.clear()
    await stand.db.execute("update job_runs set looked_at = '-infinity'")
    await stand.round()
    assert (await _seen(stand, job_id)).missing_s is None


async def test_a_job_is_at_home_where_its_run_opened_it(stand: Stand) -> None:
    repairs = stand.repairs()
    await repairs.look()
    job_id = (await books(stand, repairs).open_job(next_sync())).job_id
    await stand.aged(job_id, 60)
    await stand.say(job_id, MISSING)
    assert await missing_for_long(stand, job_id) == "failed"


async def missing_for_long(stand: Stand, job_id: int, **settings: float) -> str:
    """What a job has come to after its run was missing for longer than it takes to be sure."""
    await stand.round(**settings)
    await stand.db.execute("update job_runs set missing_at = now() - interval '1 minute', looked_at = '-infinity'")
    await stand.round(**settings)
    return await stand.status(job_id)


async def test_a_namespace_that_was_made_anew_has_lost_its_runs(stand: Stand) -> None:
    job_id = await seen_then_missing(stand)
    stand.temporal.namespace_ = TemporalNamespace("cluster", "made anew")
    assert await missing_for_long(stand, job_id) == "failed"
    assert "namespace" in (await report_of(stand, job_id)).reason


@pytest.mark.parametrize(
    ("namespace", "namespaces"),
    [
        (TemporalNamespace("other cluster", "other"), frozenset()),
        (TemporalNamespace("cluster", "other"), frozenset({"namespace"})),
        (TemporalNamespace("", "other"), frozenset()),
    ],
    ids=["another cluster", "another namespace of the cluster", "a cluster that does not say its name"],
)
async def test_a_job_of_another_temporal_is_left_alone_until_nothing_is_heard_of_it(
    stand: Stand, namespace: TemporalNamespace, namespaces: frozenset[str]
) -> None:
    job_id = await seen_then_missing(stand)
    stand.temporal.namespace_, stand.temporal.namespaces = namespace, namespaces
    assert await missing_for_long(stand, job_id, reconcile_silence_minutes=10) == "pending"
    await stand.aged(job_id, 700)
    assert await missing_for_long(stand, job_id, reconcile_silence_minutes=10) == "failed"
    assert "nothing was heard of the job for" in (await report_of(stand, job_id)).reason


async def test_a_job_that_nobody_ever_saw_run_is_left_alone_just_as_long(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, MISSING)
    assert await missing_for_long(stand, job_id, reconcile_silence_minutes=10) == "pending"
    await stand.aged(job_id, 700)
    assert await missing_for_long(stand, job_id, reconcile_silence_minutes=10) == "failed"


@pytest.mark.parametrize(
    "sign",
    [
        "update jobs set updated_at = now()",
        "update job_runs set seen_at = now()",
        "update workloads set heartbeat_at = now()",
        "update workloads set updated_at = now()",
    ],
)
async def test_signs_of_life_of_a_job_that_may_be_anothers(stand: Stand, sign: str) -> None:
    job_id = await stand.job()
    await stand.round()
    await stand.aged(job_id, 700)
    await stand.say(job_id, MISSING)
    stand.temporal.namespace_ = TemporalNamespace("other", "other")
    await stand.db.execute(sign)
    assert await missing_for_long(stand, job_id, reconcile_silence_minutes=10, reconcile_pod_wait_s=0) == "running"


async def test_a_pod_that_is_older_than_any_may_be_is_no_sign_of_life(stand: Stand) -> None:
    job_id = await stand.job()
    await stand.aged(job_id, 4 * 86_400)
    await stand.db.execute("update workloads set heartbeat_at = now()")
    await stand.say(job_id, MISSING)
    assert await missing_for_long(stand, job_id, reconcile_pod_wait_s=0) == "failed"


# --- resets -----------------------------------------------------------------------------------------------------------


async def test_a_job_follows_its_reset_run_and_its_pods_are_still_known_by_the_first(stand: Stand) -> None:
    job_id = await stand.job()
    first = await stand.run_of(job_id)
    for run, following in (("second", first), ("third", "second")):
        reset = Sighting(Seen.CLOSED, "terminated", reason="try again", successor=run, successor_job=job_id)
        stand.temporal.says[following] = reset
    await stand.round()
    assert (await stand.run_of(job_id), await stand.status(job_id)) == ("third", "running")
    assert (await stand.desk.job(job_id)).run_id == first
    told = [f"the job's run was reset: try again; run {run} goes on with the job" for run in ("second", "third")]
    assert await stand.past(job_id) == [("run replaced", reason) for reason in told]
    await stand.say(job_id, TERMINATED)
    await stand.pod_ended(job_id, STOPPED)
    await stand.round()
    assert await stand.status(job_id) == "failed"


async def test_what_was_seen_of_a_run_that_was_replaced_meanwhile_counts_no_more(stand: Stand) -> None:
    """Two processes looked; one has written that the job goes on under another run."""
    job_id = await stand.job(running=False)
    before = await _seen(stand, job_id)
    assert await run_sightings.follow(stand.db, before, "second", "was reset")
    assert not await run_sightings.follow(stand.db, before, "third", "was reset")
    assert not await run_sightings.is_over(stand.db, before, "was terminated")
    end = end_of("was terminated", None, cancelled=False)
    assert not await reconciling.close(stand.db, before, end, Left())
    await run_sightings.saw(stand.db, before, TemporalNamespace("old", "old"))
    assert (await stand.run_of(job_id), await stand.status(job_id)) == ("second", "pending")
    assert (await _seen(stand, job_id)).seen_in is None


async def test_an_attempt_that_was_opened_meanwhile_is_not_closed_with_another_ones_marker(stand: Stand) -> None:
    job_id = await stand.job()
    seen, end = await _seen(stand, job_id), end_of("was terminated", None, cancelled=False)
    assert not await reconciling.close(stand.db, seen, end, Left())
    assert not await reconciling.close(stand.db, seen, end, Left(1, STOPPED))
    assert await reconciling.close(stand.db, seen, end, Left(0, STOPPED))


async def test_a_reset_to_before_the_job_was_opened_ends_it(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, Sighting(Seen.CLOSED, "terminated", reason="again", successor="second"))
    await stand.round()
    told = "the job's run was reset to before it opened this job: again"
    assert (await stand.status(job_id), (await report_of(stand, job_id)).reason) == ("failed", told)


# --- many at once -----------------------------------------------------------------------------------------------------


async def test_several_processes_look_at_each_job_once_and_end_it_once(stand: Stand) -> None:
    names = [f"c{number}" for number in range(30)]
    jobs_ = [await stand.other_job(name) for name in names]
    for job_id in jobs_:
        await stand.say(job_id, TERMINATED)
    several = [stand.repairs(reconcile_interval_s=60) for _ in range(3)]
    await asyncio.gather(*(each.look() for each in several))
    assert len(stand.temporal.asked) == len(jobs_)
    await asyncio.gather(*(each.close() for each in several))
    for job_id in jobs_:
        assert [event for event, _ in await stand.past(job_id)] == ["run over", "failed"]


async def test_a_job_is_looked_at_once_an_interval(stand: Stand) -> None:
    await stand.job()
    for _ in range(3):
        await stand.round(reconcile_interval_s=60)
    assert len(stand.temporal.asked) == 1


async def test_of_jobs_that_have_ended_nothing_is_kept(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, TERMINATED)
    await stand.round()
    await stand.round()
    assert await stand.desk.count("job_runs") == 0


# --- a connection that is busy with a job whose run is over -----------------------------------------------------------


def books(stand: Stand, repairs: Repairs | None = None) -> BookkeepingActivities:
    means = stand.desk.means(allow_local_commands=True)
    return BookkeepingActivities(means, NoEngine(), repairs or stand.repairs())


def next_sync() -> OpenJob:
    return request(sync_input())


async def test_c21_who_comes_next_ends_the_job_of_a_terminated_run_at_once(stand: Stand) -> None:
    job_id = await stand.job(age_s=0)
    await stand.pod_ended(job_id, STOPPED)
    await stand.say(job_id, TERMINATED)
    plan = await books(stand).open_job(next_sync())
    assert (await stand.status(job_id), await stand.status(plan.job_id)) == ("failed", "pending")
    assert (await report_of(stand, job_id)).records_committed == 5


async def test_a_run_that_is_reset_to_its_beginning_takes_the_place_of_its_first_job(stand: Stand) -> None:
    job_id = await stand.job(running=False, age_s=0)
    await stand.say(job_id, Sighting(Seen.CLOSED, "terminated", successor="second"))
    plan = await books(stand).open_job(next_sync().model_copy(update={"run_id": "second"}))
    assert (await stand.status(job_id), await stand.run_of(plan.job_id)) == ("failed", "second")


@pytest.mark.parametrize("where", ["it runs", "nobody ever saw it", "it is another Temporal's", "Temporal is away"])
async def test_a_connection_is_busy_as_long_as_its_job_may_live(stand: Stand, where: str) -> None:
    job_id = await stand.job(running=False)
    if where == "it is another Temporal's":
        await stand.round()
        stand.temporal.namespace_ = TemporalNamespace("other", "other")
    if where not in ("it runs", "Temporal is away"):
        await stand.say(job_id, MISSING)
    stand.temporal.away = where == "Temporal is away"
    with pytest.raises(ApplicationError) as busy:
        await books(stand).open_job(next_sync())
    assert (busy.value.type, await stand.status(job_id)) == ("ConnectionBusy", "pending")


async def test_of_one_id_only_one_run_is_open_so_a_missing_one_frees_its_connection(stand: Stand) -> None:
    job_id = await seen_then_missing(stand)
    plan = await books(stand).open_job(next_sync())
    assert (await stand.status(job_id), await stand.status(plan.job_id)) == ("failed", "pending")


async def test_without_repairs_a_connection_is_busy_until_the_reconciler_has_been_there(stand: Stand) -> None:
    job_id = await stand.job(running=False)
    await stand.say(job_id, TERMINATED)
    with pytest.raises(ApplicationError):
        await stand.desk.open(next_sync(), allow_local_commands=True)
    assert await stand.status(job_id) == "pending"


# --- a database that lost a job its run goes on with ------------------------------------------------------------------


async def test_what_a_restored_database_has_lost_is_not_asked_for_again(stand: Stand) -> None:
    with pytest.raises(LookupError, match="there is no job 99") as gone:
        await stand.desk.books().check_configs(99)
    assert type(gone.value).__name__ == "JobGone"
    with pytest.raises(LookupError) as gone:
        await attempts.read_attempt(stand.db, await stand.job(running=False), 3)
    assert type(gone.value).__name__ == "AttemptGone"
