# What docker-compose.yml uses of the official image's entrypoint: a new cluster with this user, password and database,
# passwords asked for over the network; other commands are run as they are.
set -eu
if [ "$1" != postgres ]; then
    exec "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    umask 077
    cat "${POSTGRES_PASSWORD_FILE:?}" >/tmp/password
    initdb --username="$user" --pwfile=/tmp/password --auth=trust --encoding=UTF8 --locale=C --no-sync
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        pg_ctl start --wait --silent --options="-c listen_addresses=''"
        createdb --username="$user" "${POSTGRES_DB:-$user}"
        pg_ctl stop --wait --silent --mode=fast
    fi
fi
exec "$@" -c listen_addresses='*'
