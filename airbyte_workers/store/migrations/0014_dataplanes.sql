-- works with 0013
-- Hosts on which Temporal workers serve, by their own signs of life.
create table dataplanes (
    name            text        primary key,
    seen_at         timestamptz not null,
    seen_since      timestamptz not null, -- without a gap: for so long the host has reached this database
    watched_at      timestamptz,          -- the last sign of a worker there that watches pods
    watched_until   timestamptz           -- until then it counts as there
);

-- What a watcher out of reach of the pod asks of its orchestrator, which reads it with each renewal of its lease.
alter table workloads add column stop_asked text check (stop_asked in ('end', 'now'));
