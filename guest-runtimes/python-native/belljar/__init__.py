"""What one run means on the machine's own Python. `entrypoint.py` is the entry."""
