-- The log of committed states: replayed up to any entry it gives the table `states` as it stood then, exactly.
-- job_id and attempt: whose state it is; null for one that a person erased. `by` and `reason`: who put it there when it
-- was no job. `restores`: the entry after which a rewind put things back. `state` null: what was kept was erased.
alter table state_log alter column job_id drop not null, alter column attempt drop not null;
alter table state_log add column by text not null default '', add column reason text not null default '',
    add column restores bigint;
alter table states add column by text not null default '';

-- The oldest entry up to which a replay is exact: what was before it has been cut off, or was not all logged.
alter table connections add column state_log_from bigint not null default 0;

update states set namespace = null where namespace = '';
update state_log set namespace = null where namespace = '';
create index state_log_by_key on state_log (connection_id, type, stream, coalesce(namespace, ''), id desc);
create index state_log_by_job on state_log (job_id, id desc) where by = '';

-- Earlier versions logged no deletion: the log begins anew with what is kept now.
insert into state_log (connection_id, type, stream, namespace, state, fence, seq, job_id, attempt, by, reason)
select connection_id, type, stream, namespace, state, fence, seq, job_id, attempt, 'airbyte-workers', 'upgrade'
from states;
insert into state_log (connection_id, type, stream, namespace, state, fence, seq, by, reason)
select connection_id, type, stream, namespace, null, max(fence), 0, 'airbyte-workers', 'upgrade' from state_log
where not exists (
    select from states where states.connection_id = state_log.connection_id and states.type = state_log.type
        and states.stream = state_log.stream and states.namespace is not distinct from state_log.namespace)
group by connection_id, type, stream, namespace;
update connections set state_log_from = coalesce((select max(id) from state_log where connection_id = connections.id), 0);
