-- What was laid out and never used. attempts.queued_s, attempts.log_path and jobs.retry_rules are used no more either:
-- Temporal workers of the version before this one still name them, so they stay.
drop table resources;
alter table connections drop column workspace, drop column status, drop column settings, drop column generations;
alter table jobs drop column dataplane;
alter table workloads drop column priority;
alter table stream_stats drop column incomplete_cause, drop column bytes_filtered, drop column bytes_rejected,
    drop column records_estimated, drop column bytes_estimated, drop column states_emitted, drop column states_committed,
    drop column malformed, drop column state_mean_s, drop column state_max_s, drop column commit_mean_s,
    drop column commit_max_s, drop column additional, drop column was_backfilled, drop column was_resumed;
