"""A kit that puts one connector through its paces: without Temporal and without a database, in real pods."""
