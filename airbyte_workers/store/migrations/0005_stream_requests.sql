-- What a clear or a refresh does with which streams. Requests are jobs of their own here, so none waits in a table.
drop table stream_requests;
alter table jobs add column request jsonb;  -- {"order": "clear|merge|truncate", "streams": [{"name", "namespace"}] or null}
-- Whether the job's destination knows generations: without, every attempt reads full refresh streams from the start.
alter table jobs add column supports_refreshes boolean not null default false;
