-- What is counted of a stream besides records: what was filtered, states and the time between them, estimates, checksums.
alter table stream_stats
    add column bytes_filtered bigint not null default 0,
    add column states_emitted bigint not null default 0,
    add column states_acknowledged bigint not null default 0,
    add column states_committed bigint not null default 0,
    add column source_stats_mismatches bigint not null default 0,
    add column destination_stats_mismatches bigint not null default 0,
    add column records_estimated bigint,
    add column bytes_estimated bigint,
    add column state_mean_s double precision not null default 0,
    add column state_max_s double precision not null default 0,
    add column commit_mean_s double precision,
    add column commit_max_s double precision,
    add column additional_stats jsonb not null default '{}';
alter table attempts
    add column records_filtered bigint not null default 0,
    add column bytes_filtered bigint not null default 0;
