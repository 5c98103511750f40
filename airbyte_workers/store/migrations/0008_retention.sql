-- What is old is found without a look at the rest, and a deletion looks at its own rows alone: every column that refers
-- to a job, an attempt or a catalog has an index.
create index jobs_by_end on jobs (kind, ended_at, id) where ended_at is not null;
create index jobs_last_success on jobs (connection_id, kind, id desc) where status = 'succeeded';
create index jobs_by_catalog on jobs (catalog_id) where catalog_id is not null;
create index connections_by_catalog on connections (catalog_id) where catalog_id is not null;
create index workloads_by_job on workloads (job_id);
create index state_log_by_moment on state_log (connection_id, at desc, id desc);

-- When gc removed the job's log because all logs together were too large; the job itself is still here.
alter table jobs add column log_removed_at timestamptz;

-- What gc did and when: the next run is due by it. One without an end is at work, or was killed.
create table gc_runs (
    id              bigint generated always as identity primary key,
    by              text        not null,
    started_at      timestamptz not null default clock_timestamp(),
    ended_at        timestamptz,
    status          text        not null default 'running'
                    check (status in ('running', 'succeeded', 'failed', 'interrupted')),
    report          jsonb,
    error           text        not null default ''
);
