-- Configs that clients hand over, so that Temporal's history never holds them; sealed to the public key below.
create table handed_configs (
    id              uuid        primary key,  -- random: to know it is to be allowed to use the config
    sealed          bytea       not null,
    created_at      timestamptz not null default now()
);
create index handed_configs_by_age on handed_configs (created_at);

-- What clients seal with, published by the Temporal workers, who all have the same key: never more than one row.
create table public_keys (
    id              boolean     primary key default true check (id),
    public_key      bytea       not null check (octet_length(public_key) = 32),
    created_at      timestamptz not null default now()
);

alter table jobs add column secret_names text[] not null default '{}';
-- What a spec, check or discover is about, for lists: a connector's name.
alter table jobs add column connector text;
