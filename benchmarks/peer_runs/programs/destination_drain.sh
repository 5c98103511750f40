#!/bin/sh
# An Airbyte destination that costs nothing: see drain.py.
case "$1" in
spec) echo '{"type":"SPEC","spec":{"connectionSpecification":{"type":"object","properties":{}},"supported_destination_sync_modes":["append","overwrite"]}}' ;;
check) echo '{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}' ;;
write) exec "$PEER_RUNS_PYTHON" -I -S "$(dirname "$0")/drain.py" airbyte ;;
*) exit 2 ;;
esac
