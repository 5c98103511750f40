#!/bin/sh
# What docker-compose.postgresql.yml uses of temporal-sql-tool: the database, its table of versions, and from a folder of
# versions the newest. Of the real schema nothing is made but its version.
set -eu
user= host= port= db= plugin=
while [ $# -gt 0 ]; do
    case $1 in
    --plugin) plugin=$2; shift 2 ;;
    --ep) host=$2; shift 2 ;;
    -p) port=$2; shift 2 ;;
    -u) user=$2; shift 2 ;;
    --db) db=$2; shift 2 ;;
    *) break ;;
    esac
done
[ "$plugin" = postgres12 ]
export PGHOST="$host" PGPORT="$port" PGUSER="$user" PGPASSWORD="$SQL_PASSWORD"
sql() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname "$1" --command "$2"; }
case $1 in
create)
    [ -n "$(psql -At --dbname postgres --command "select 1 from pg_database where datname = '$db'")" ] || createdb "$db" ;;
setup-schema)
    [ "$2 $3" = "-v 0.0" ]
    sql "$db" "create table if not exists schema_version (db_name text primary key, curr_version text)"
    sql "$db" "insert into schema_version values ('$db', '0.0') on conflict do nothing" ;;
update-schema)
    [ "$2" = -d ]
    newest=$(ls "$3" | sort -V | tail -n 1)
    sql "$db" "update schema_version set curr_version = '${newest#v}'" ;;
*) exit 64 ;;
esac
