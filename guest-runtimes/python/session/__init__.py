"""The Python side of the guest: what one run means. `runner` is the entry."""
