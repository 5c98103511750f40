"""gc: what is old and not needed goes. What may go is said in jobs/gc_rules.py, SQL is in store/gc_*.py.

`collection.py` is one round, `schedule.py` says when a Temporal worker does one by itself.
"""
