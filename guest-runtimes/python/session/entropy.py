"""New randomness for an instance that shares its past with others.

The image, a restored snapshot and a fork all carry generator states that were
made somewhere else. `os.urandom` and `secrets` ask the host and need nothing.
"""
import os
import random
import sys
import tempfile

# Enough that two instances never meet; asking for the generator's whole state
# (2,496 bytes) would take longer than the rest of a short run's start.
SEED_BYTES = 32


def renew():
    """Forgets everything that must not repeat in another instance."""
    random.seed(int.from_bytes(os.urandom(SEED_BYTES), "little"))
    tempfile._name_sequence = None
    # Folders that did not exist where the instance came from may exist now.
    sys.path_importer_cache.clear()
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._node = None
        uuid._last_timestamp = None
