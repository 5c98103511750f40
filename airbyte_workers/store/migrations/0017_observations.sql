-- works with 0013
-- When a pod's processes had been started, and when nothing of them was left; null: an older release looked after it.
alter table workloads add column launched_at timestamptz;
alter table workloads add column gone_at timestamptz;

-- When each connector of an attempt ran, as the summary of its pod has it.
alter table attempts add column legs jsonb not null default '[]';

-- The W3C trace context that the run was started with: its job's trace goes on from there.
alter table jobs add column traceparent text;

-- Whether a Temporal worker has counted and traced what happened; one that neither counts nor traces leaves it so.
alter table job_events add column is_observed boolean not null default true;
alter table job_events alter column is_observed set default false;
create index job_events_unobserved on job_events (at) where not is_observed;
