"""New randomness for an instance that shares its past with others.

The image, a restored snapshot and a fork all carry generator states that were
made somewhere else. `os.urandom` and `secrets` ask the host and need nothing.
A generator that a program made itself goes on: it may have been seeded so that
it repeats.
"""
import random
import sys
import tempfile

from _belljar_native import renew_generator, renew_sqlite

# Programs may put something else in its place.
_generator = random._inst


def renew():
    """Forgets everything that must not repeat in another instance."""
    renew_generator(_generator)
    _generator.gauss_next = None
    renew_sqlite()
    tempfile._name_sequence = None
    # Folders that did not exist where the instance came from may exist now.
    sys.path_importer_cache = {}
    try:
        uuid = sys.modules["uuid"]
        uuid._node = uuid._last_timestamp = None
    except (AttributeError, KeyError, TypeError):
        pass
