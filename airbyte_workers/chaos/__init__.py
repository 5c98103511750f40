"""Faults at exact moments of real syncs, and the proof that nothing was lost: what the command `chaos` does."""
