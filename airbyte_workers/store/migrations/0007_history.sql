-- What lists of jobs are cut by: the newest of a connection, of a status, since a time.
create index jobs_by_connection_name on jobs (connection, id desc) where connection is not null;
create index jobs_by_status on jobs (status, id desc);
create index jobs_by_time on jobs (created_at);
