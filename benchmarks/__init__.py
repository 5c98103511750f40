"""`python -m benchmarks`: what our data path costs on this machine, beside the limits of the machine itself."""
