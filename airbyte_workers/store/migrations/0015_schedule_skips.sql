-- works with 0013
-- How often a schedule's runs found their connection busy. Temporal counts the other skips itself.
create table schedule_skips (
    schedule_id     text        primary key,
    skipped         bigint      not null,
    last_run_id     text        not null, -- a run that tells it twice counts once
    last_job_id     bigint,               -- whom it was skipped for
    last_at         timestamptz not null default now()
);
