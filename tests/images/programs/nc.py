#!/usr/bin/env python
"""`nc -z HOST PORT`, which Alpine's nc has and Debian's busybox has not: whether somebody listens there."""

import socket
import sys

_, option, host, port = sys.argv
assert option == "-z"
socket.create_connection((host, int(port)), timeout=3).close()
