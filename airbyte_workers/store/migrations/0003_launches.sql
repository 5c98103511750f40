-- Whether what object storage has under the pod's name is the pod's own: it is cleared before its first launch, because
-- another database may have used the name before.
alter table workloads add column is_fresh boolean not null default false;
update workloads set is_fresh = true;
-- Tries to start the pod that failed; a Temporal worker that was lost in between counts for none.
alter table workloads add column failed_launches int not null default 0;
