-- What was found about records that were held against their stream's schema: one object for each stream, no values of records.
alter table attempts add column validation jsonb not null default '[]';
