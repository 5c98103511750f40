#!/bin/sh
# A server that starts only where the real one could: with its schema in both databases, and its dynamic config. It then
# is Temporal's development server with nothing of its own kept.
set -eu
export PGHOST="$POSTGRES_SEEDS" PGPORT="$DB_PORT" PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PWD"
[ "$DB" = postgres12 ]
for db in temporal temporal_visibility; do
    version=$(psql -At --no-psqlrc --dbname "$db" --command 'select curr_version from schema_version')
    [ "$version" = 1.2 ] || { echo "the schema of $db is of version $version" >&2; exit 1; }
done
values=$(sed -nE '/^[a-zA-Z.]+:$/{s/:$//;h;d};/^ +- value: /{s/^ +- value: //;G;s/(.*)\n(.*)/\2=\1/p}' "$DYNAMIC_CONFIG_FILE_PATH")
[ -n "$values" ]
for value in $values; do set -- "$@" --dynamic-config-value "$value"; done
exec temporal server start-dev --headless --ip "$BIND_ON_IP" --port 7233 --log-level warn \
    --namespace none --metrics-port "${PROMETHEUS_ENDPOINT##*:}" "$@"
