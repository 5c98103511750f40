#!/bin/sh
# In the place of Temporal's web page: something that answers at its port once the front end can be reached.
set -eu
temporal operator cluster health --address "$TEMPORAL_ADDRESS"
exec python -m http.server 8080 --directory /var/empty
