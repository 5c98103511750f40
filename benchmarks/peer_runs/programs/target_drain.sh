#!/bin/sh
# A Singer target that costs nothing: see drain.py.
exec "$PEER_RUNS_PYTHON" -I -S "$(dirname "$0")/drain.py" singer
