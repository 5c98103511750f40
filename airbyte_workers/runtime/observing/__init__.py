"""Figures and traces of jobs, told from the database: whoever ended a job, and whichever process tells of it."""
