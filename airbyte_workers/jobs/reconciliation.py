"""What becomes of live jobs whose run is over, and of pods that nobody looks after: rules as tables.

A sync that lives must never be taken for dead; everything that is not certain is left as it is, or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from airbyte_workers.jobs.failures import cancellation, cut, of_platform
from airbyte_workers.models import AttemptSummary, Failure, FailureType, JobStatus
from airbyte_workers.quantities import duration

RECONCILER = "reconciler"
"""Who is told to have done what is done by these rules."""
_MAX_REASON = 500  # characters of what a person typed when they terminated a run


# --- runs -------------------------------------------------------------------------------------------------------------


class Seen(StrEnum):
    """What Temporal answers about a run; `unknown`: it gave no answer that says anything."""

    RUNS = "runs"
    CLOSED = "closed"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sighting:
    """One look at a run. `how` it closed, `by` whom and the `reason` are Temporal's words, where it has some.

    `successor` is the run that a reset put in its place, `successor_job` the job which that one has opened or goes on
    with; None: it has opened none yet.
    """

    seen: Seen
    how: str = ""
    by: str = ""
    reason: str = ""
    successor: str = ""
    successor_job: int | None = None


@dataclass(frozen=True)
class TemporalNamespace:
    """A namespace of a Temporal cluster by ids, which are never given again; an empty one is not known."""

    cluster_id: str
    namespace_id: str


class RunHome(StrEnum):
    """Where the job's run was seen last, from here.

    `here`: in this very namespace. `gone`: in a namespace of this cluster that is no more. `elsewhere`: somewhere that
    cannot be asked. `nowhere`: never.
    """

    HERE = "here"
    GONE = "gone"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"


def home_of(seen_in: TemporalNamespace | None, here: TemporalNamespace, *, namespace_is_gone: bool) -> RunHome:
    """`namespace_is_gone`: this cluster says that it has no namespace of the id where the run was seen."""
    if seen_in is None:
        return RunHome.NOWHERE
    if seen_in == here:
        return RunHome.HERE
    same_cluster = bool(here.cluster_id) and seen_in.cluster_id == here.cluster_id
    return RunHome.GONE if same_cluster and namespace_is_gone else RunHome.ELSEWHERE


@dataclass(frozen=True)
class Patience:
    """How long a run must be missing, and how long nothing may be heard of a job that may be another Temporal's.

    `cancelled_silence_s`: the same when somebody has asked for its end; longer than between two looks of others.
    """

    confirm_s: float
    silence_s: float
    cancelled_silence_s: float


@dataclass(frozen=True)
class KnownJob:
    """What is known of a live job beside its run.

    `silent_s`: since its last sign of life (a run that was seen, a row that was written, a pod that said how far it
    is); `missing_s`: since its run is missing, None before.
    """

    job_id: int
    home: RunHome
    silent_s: float
    missing_s: float | None = None
    cancel_requested: bool = False


class RunVerdict(StrEnum):
    """`runs`: all is well. `wait`: nothing is certain yet. `follow`: the job goes on under another run. `over`: the
    job gets no further by itself."""

    RUNS = "runs"
    WAIT = "wait"
    FOLLOW = "follow"
    OVER = "over"


@dataclass(frozen=True)
class Judgement:
    """What is to be done about a job, and why in words that follow "the job's run"."""

    verdict: RunVerdict
    why: str = ""


_CLOSED: Mapping[str, str] = {
    "terminated": "was terminated",
    "timed_out": "timed out",
    "failed": "failed without ending the job",
    "canceled": "was cancelled without ending the job",
    "completed": "completed without ending the job",
    "continued_as_new": "was continued as another one",
}


def judge(sighting: Sighting, known: KnownJob, patience: Patience) -> Judgement:
    """The one table about runs; whoever does not stand in it waits."""
    if sighting.seen is Seen.RUNS:
        return Judgement(RunVerdict.RUNS)
    if sighting.seen is Seen.CLOSED:
        return _closed(sighting, known)
    if sighting.seen is Seen.MISSING:
        return _missing(known, patience)
    return Judgement(RunVerdict.WAIT, "could not be looked at")


def _closed(sighting: Sighting, known: KnownJob) -> Judgement:
    """A run writes its job's end before its own: a live job whose run has closed was cut off."""
    told = _told(sighting)
    if sighting.successor and sighting.successor_job == known.job_id:
        return Judgement(RunVerdict.FOLLOW, f"was reset{told}")
    if sighting.successor:
        return Judgement(RunVerdict.OVER, f"was reset to before it opened this job{told}")
    return Judgement(RunVerdict.OVER, _CLOSED.get(sighting.how, f"has closed ({sighting.how})") + told)


def _told(sighting: Sighting) -> str:
    by = f" by {cut(sighting.by, _MAX_REASON)}" if sighting.by else ""
    return by + (f": {cut(sighting.reason, _MAX_REASON)}" if sighting.reason else "")


def _missing(known: KnownJob, patience: Patience) -> Judgement:
    """A run is gone for certain where it once was; anywhere else it may be another Temporal's, and be well."""
    if known.missing_s is None or known.missing_s < patience.confirm_s:
        return Judgement(RunVerdict.WAIT, "is not known to Temporal; it is looked for once more")
    if known.home is RunHome.HERE:
        return Judgement(RunVerdict.OVER, "is not known to Temporal any more: it was deleted")
    if known.home is RunHome.GONE:
        return Judgement(RunVerdict.OVER, "was lost with its Temporal namespace, which is no more")
    silence = patience.cancelled_silence_s if known.cancel_requested else patience.silence_s
    unknown = "is not known to this Temporal"
    if known.silent_s < silence:
        return Judgement(RunVerdict.WAIT, f"{unknown}; it may be another one's")
    return Judgement(RunVerdict.OVER, f"{unknown}, and nothing was heard of the job for {duration(known.silent_s)}")


# --- ends -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """How a job whose run is over is closed; `attempt` are the reasons of its attempt that still ran."""

    status: JobStatus
    by: str
    reason: str
    failures: tuple[Failure, ...] = ()
    attempt: tuple[Failure, ...] = ()


def end_of(why: str, summary: AttemptSummary | None, *, cancelled: bool, asked_by: str = "") -> End:
    """`summary`: what the pod of the attempt that still ran has left; `cancelled`: somebody asked for the job's end.

    A finished sync is not thrown away with its run: its evidence is complete. Of any other the platform is to blame
    (conformance case D21), whatever its connectors said after they were stopped.
    """
    reason = f"the job's run {why}"
    if summary is not None and summary.status == "succeeded":
        return End(JobStatus.SUCCEEDED, RECONCILER, f"{reason}; its pod had finished, and nothing is missing")
    if cancelled:
        who = asked_by or "somebody, through Temporal"
        told = cancellation(who, reason)
        return End(JobStatus.CANCELLED, who, reason, (told,), (told,))
    lost = of_platform(FailureType.TRANSIENT_ERROR, reason)
    own = summary.failures if summary is not None and summary.status == "failed" else ()
    return End(JobStatus.FAILED, RECONCILER, reason, (lost, *own), own or (lost,))


def is_cancel(sighting: Sighting) -> bool:
    """Whether Temporal itself says that the run was cancelled."""
    return sighting.seen is Seen.CLOSED and sighting.how == "canceled"


# --- pods -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """A pod that has a place on this dataplane, as rows tell of it.

    `attempt_ended`: of a replication pod alone, which renews its lease itself: `lease_over` tells that it has been over
    for as long as that may take to be noticed. `about_to_start`: its place was taken so lately that its launch may not
    have come to its end.
    """

    is_replication: bool
    job_ended: bool
    run_over: bool
    attempt_ended: bool
    lease_over: bool
    about_to_start: bool


UNRENEWED = "its orchestrator has not renewed the pod's lease"


def reason_to_end(pod: Placed, *, leases_count: bool) -> str:
    """Why it is ended, in order, and its place given back; empty: it is left alone.

    `leases_count`: the database was reachable long enough for pods to renew theirs.

    What a lease that is over tells: a connector's pod, which renews nothing itself, has no watcher; the orchestrator of
    a replication pod hangs, for else it would have renewed it, or ended itself.
    """
    why = _why_left(pod)
    if why or not pod.lease_over or not leases_count or pod.about_to_start:
        return why
    return UNRENEWED if pod.is_replication else "nobody has looked after it for longer than its lease"


def _why_left(pod: Placed) -> str:
    """Why nobody needs it any more, whatever its lease says; empty: somebody may."""
    if pod.job_ended:
        return "its job has ended"
    if pod.run_over:
        return "the run of its job is over"
    return "its attempt has ended" if pod.attempt_ended else ""


@dataclass(frozen=True)
class Listed:
    """A pod that a launcher of this dataplane has, without a place here.

    `has_row`: a row tells of it: `is_live` anywhere, `is_quiet` for a while, `is_ours`: of that row's job, not of
    another database's of the same number. Without a row `is_ours` means: launched for this very database.
    """

    has_row: bool
    is_ours: bool
    is_live: bool = False
    is_quiet: bool = True


def reason_to_remove(pod: Listed, *, seen_before: bool) -> str:
    """Why it is removed at once; empty: it is left alone. `seen_before`: in the round before this one, too."""
    if not pod.is_ours or pod.is_live or not seen_before or not pod.is_quiet:
        return ""
    return "its place was given back before" if pod.has_row else "no row knows it"
