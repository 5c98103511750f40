-- Whom the data of an attempt waited for, in seconds, and for how long data moved at all.
alter table attempts
    add column moving_s double precision not null default 0,
    add column blocked_on_source_s double precision not null default 0,
    add column blocked_on_destination_s double precision not null default 0,
    add column held_by_limit_s double precision not null default 0;
