"""New randomness for an instance that shares its past with others.

The image, a restored snapshot and a fork all carry generator states that were
made somewhere else. `os.urandom` and `secrets` ask the host and need nothing.
A generator that a program made itself goes on: it may have been seeded so that
it repeats.
"""
import random
import sys
import tempfile
from os import urandom

from _belljar_native import renew_sqlite

# Enough that two instances never meet; asking for the generator's whole state
# (2,496 bytes) would take longer than the rest of a short run's start.
SEED_BYTES = 32

# Programs may put something else in the place of any of these.
_seed = random.seed
_from_bytes = int.from_bytes


def renew():
    """Forgets everything that must not repeat in another instance."""
    _seed(_from_bytes(urandom(SEED_BYTES), "little"))
    renew_sqlite()
    tempfile._name_sequence = None
    # Folders that did not exist where the instance came from may exist now.
    sys.path_importer_cache = {}
    try:
        uuid = sys.modules["uuid"]
        uuid._node = uuid._last_timestamp = None
    except (AttributeError, KeyError, TypeError):
        pass
