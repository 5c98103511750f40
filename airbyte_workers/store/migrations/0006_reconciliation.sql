-- What is known of the Temporal runs that do live jobs; the reconciler writes it, rows of ended jobs are deleted.
create table job_runs (
    job_id          bigint      primary key references jobs (id) on delete cascade,
    cluster_id      text,  -- where the run was seen last, by Temporal's own ids: names are given again
    namespace_id    text,
    looked_at       timestamptz not null default now(),
    seen_at         timestamptz,  -- when it last ran
    missing_at      timestamptz,  -- since when Temporal does not know it
    over_at         timestamptz  -- since when it is known that the job will get no further by itself
);

-- The run that opened the job, when a reset of its workflow has put another one in its place: pods are known by it.
alter table jobs add column opening_run_id text;

-- Tells the pods of this database from another's on the same host. One row.
create table installation (
    id              boolean     primary key default true check (id),
    name            uuid        not null default gen_random_uuid()
);
insert into installation default values;
