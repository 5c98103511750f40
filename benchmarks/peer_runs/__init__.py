"""What a user would pick instead of us, run here with the same records, each in a Python environment of its own."""
