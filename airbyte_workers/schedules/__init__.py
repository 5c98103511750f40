"""Schedules: Temporal's own, one for each connection, each run of which is a `ScheduledSync`."""
