-- Connections and what belongs to them. Namespaces: null and '' are the same stream, hence coalesce in every unique index.
create table connections (
    id              bigint generated always as identity primary key,
    name            text        not null unique,
    workspace       text        not null default 'default',
    status          text        not null default 'active' check (status in ('active', 'inactive', 'deprecated', 'locked')),
    spec            bytea       not null,  -- sealed JSON: both connectors, their configs, the choice of streams
    source_name     text        not null,
    destination_name text       not null,
    catalog_id      bigint,
    settings        jsonb       not null default '{}',
    fence           bigint      not null default 0,
    generations     jsonb       not null default '{}',
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);

create table catalogs (
    id              bigint generated always as identity primary key,
    kind            text        not null check (kind in ('configured', 'discovered')),
    connection_id   bigint      references connections (id) on delete cascade,
    fingerprint     text,  -- of the source and its config, for discovered ones
    sha256          text        not null,
    catalog         text        not null,
    created_at      timestamptz not null default now()
);
create index catalogs_discovered on catalogs (fingerprint, created_at desc) where kind = 'discovered';
create unique index catalogs_configured on catalogs (connection_id, sha256) where kind = 'configured';
alter table connections add foreign key (catalog_id) references catalogs (id);

create table specs (
    id              bigint generated always as identity primary key,
    fingerprint     text        not null unique,
    spec            text        not null,
    created_at      timestamptz not null default now()
);

create table jobs (
    id              bigint generated always as identity primary key,
    kind            text        not null check (kind in ('spec', 'check', 'discover', 'sync', 'clear', 'refresh')),
    connection_id   bigint      references connections (id) on delete cascade,
    connection      text,
    status          text        not null default 'pending'
                    check (status in ('pending', 'queued', 'running', 'incomplete', 'failed', 'succeeded', 'cancelled')),
    input           bytea       not null,  -- sealed JSON: what this job runs with
    catalog_id      bigint      references catalogs (id),
    launcher        text,
    dataplane       text,
    workflow_id     text        not null,
    run_id          text        not null unique,
    is_scheduled    boolean     not null default false,
    failures        jsonb       not null default '[]',
    retry_rules     jsonb       not null default '{}',
    cancel_requested_at timestamptz,
    cancel_now      boolean     not null default false,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    queued_at       timestamptz,
    started_at      timestamptz,
    ended_at        timestamptz
);
-- The lock of a connection: one live replication job.
create unique index jobs_one_live_per_connection on jobs (connection_id)
    where kind in ('sync', 'clear', 'refresh') and status not in ('failed', 'succeeded', 'cancelled');
create index jobs_by_connection on jobs (connection_id, id desc);
create index jobs_live on jobs (status) where status not in ('failed', 'succeeded', 'cancelled');

create table job_events (
    id              bigint generated always as identity primary key,
    job_id          bigint      not null references jobs (id) on delete cascade,
    attempt         int,
    event           text        not null,
    by              text        not null default '',
    reason          text        not null default '',
    at              timestamptz not null default now()
);
create index job_events_by_job on job_events (job_id, id);

create table attempts (
    job_id          bigint      not null references jobs (id) on delete cascade,
    number          int         not null check (number >= 0),
    status          text        not null default 'running' check (status in ('running', 'succeeded', 'failed')),
    fence           bigint      not null,
    pod             text        not null unique,
    failures        jsonb       not null default '[]',
    warnings        jsonb       not null default '[]',
    evidence        jsonb,
    waited_s        double precision not null default 0,
    queued_s        double precision not null default 0,
    state_before    text,
    log_path        text,
    records_emitted bigint      not null default 0,
    records_committed bigint    not null default 0,
    records_rejected bigint     not null default 0,
    bytes_emitted   bigint      not null default 0,
    bytes_committed bigint      not null default 0,
    log_lines_dropped bigint    not null default 0,
    peak_memory_bytes bigint    not null default 0,
    started_at      timestamptz not null default now(),
    ended_at        timestamptz,
    primary key (job_id, number)
);

create table stream_stats (
    job_id          bigint      not null,
    attempt         int         not null,
    stream          text        not null,
    namespace       text,
    status          text        not null default 'pending',
    incomplete_cause text,
    records_emitted bigint      not null default 0,
    records_committed bigint    not null default 0,
    records_filtered bigint     not null default 0,
    records_rejected bigint     not null default 0,
    bytes_emitted   bigint      not null default 0,
    bytes_committed bigint      not null default 0,
    bytes_filtered  bigint      not null default 0,
    bytes_rejected  bigint      not null default 0,
    records_estimated bigint,
    bytes_estimated bigint,
    states_emitted  bigint      not null default 0,
    states_committed bigint     not null default 0,
    malformed       bigint      not null default 0,
    state_mean_s    double precision,
    state_max_s     double precision,
    commit_mean_s   double precision,
    commit_max_s    double precision,
    additional      jsonb       not null default '{}',
    was_backfilled  boolean,
    was_resumed     boolean,
    updated_at      timestamptz not null default now(),
    foreign key (job_id, attempt) references attempts (job_id, number) on delete cascade
);
create unique index stream_stats_key on stream_stats (job_id, attempt, stream, coalesce(namespace, ''));

create table retry_states (
    job_id          bigint      primary key references jobs (id) on delete cascade,
    connection_id   bigint      references connections (id) on delete cascade,
    successive_complete int     not null default 0,
    successive_partial int      not null default 0,
    total_complete  int         not null default 0,
    total_partial   int         not null default 0,
    updated_at      timestamptz not null default now()
);

-- The committed state of each connection. GLOBAL and LEGACY have one row without a stream.
create table states (
    connection_id   bigint      not null references connections (id) on delete cascade,
    type            text        not null check (type in ('STREAM', 'GLOBAL', 'LEGACY')),
    stream          text        not null default '',
    namespace       text,
    state           text        not null,
    fence           bigint      not null,
    seq             bigint      not null,
    job_id          bigint      not null,
    attempt         int         not null,
    updated_at      timestamptz not null default now()
);
create unique index states_key on states (connection_id, type, stream, coalesce(namespace, ''));

create table state_log (
    id              bigint generated always as identity primary key,
    connection_id   bigint      not null references connections (id) on delete cascade,
    type            text        not null,
    stream          text        not null default '',
    namespace       text,
    state           text,
    fence           bigint      not null,
    seq             bigint      not null,
    job_id          bigint      not null,
    attempt         int         not null,
    records_committed bigint    not null default 0,
    at              timestamptz not null default now()
);
create index state_log_by_connection on state_log (connection_id, id desc);

create table stream_generations (
    id              bigint generated always as identity primary key,
    connection_id   bigint      not null references connections (id) on delete cascade,
    stream          text        not null,
    namespace       text,
    generation_id   bigint      not null,
    start_job_id    bigint      not null,
    created_at      timestamptz not null default now()
);
create unique index stream_generations_key
    on stream_generations (connection_id, stream, coalesce(namespace, ''), generation_id);

create table stream_requests (
    id              bigint generated always as identity primary key,
    connection_id   bigint      not null references connections (id) on delete cascade,
    stream          text        not null,
    namespace       text,
    request         text        not null check (request in ('clear', 'merge', 'truncate')),
    created_at      timestamptz not null default now()
);
create unique index stream_requests_key on stream_requests (connection_id, stream, coalesce(namespace, ''));

-- What is queued, claimed, launched and watched for one attempt.
create table workloads (
    pod             text        primary key,
    kind            text        not null,
    job_id          bigint      not null references jobs (id) on delete cascade,
    attempt         int         not null,
    connection_id   bigint      references connections (id) on delete cascade,
    dataplane       text        not null,
    launcher        text        not null,
    fence           bigint      not null,
    status          text        not null default 'claimed'
                    check (status in ('claimed', 'launched', 'running', 'success', 'failure', 'cancelled')),
    priority        int         not null default 0,
    lease_until     timestamptz not null,
    heartbeat_at    timestamptz,
    progress        jsonb,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
create index workloads_live on workloads (dataplane, kind) where status in ('claimed', 'launched', 'running');
create index workloads_by_connection on workloads (connection_id, fence) where status in ('claimed', 'launched', 'running');

create table resources (
    id              bigint generated always as identity primary key,
    type            text        not null,
    workspace       text        not null default 'default',
    name            text        not null,
    version         text        not null,
    generation      bigint      not null default 1,
    spec            bytea       not null,
    status          jsonb       not null default '{}',
    owner           text        not null default '',
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    unique (type, workspace, name)
);
