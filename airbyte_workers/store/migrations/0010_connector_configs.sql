-- The newest config that a connector sent in place of the one it was given, e.g. with a refreshed token. Only who has the
-- key of the workers reads it, and what the connection's input said when it was sent. What was said later replaces it, in
-- the order of jobs, of their attempts, and of an attempt what its checks said before what it said itself.
create table connector_configs (
    connection_id   bigint      not null references connections (id) on delete cascade,
    role            text        not null check (role in ('source', 'destination')),
    sealed          bytea       not null,
    job_id          bigint      not null,
    attempt         int         not null,
    in_attempt      boolean     not null,  -- else a check or a discover before it said so
    stored_at       timestamptz not null default clock_timestamp(),
    primary key (connection_id, role)
);
