"""Started as `python3 -I entrypoint.py REQUEST`: REQUEST is a file with a request
of the guest ABI (see the README above). Runs it on the machine's own Python.
"""
import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from belljar import runner  # noqa: E402

runner.main()
