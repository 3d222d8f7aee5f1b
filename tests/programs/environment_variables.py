# Sees the variables of the call and nothing of the host's.
# env: {"API_MODE": "test", "EMPTY": "", "ÜMLAUT": "ß"}
# stdout:
# |[('API_MODE', 'test'), ('EMPTY', ''), ('ÜMLAUT', 'ß')]
# |unset test/x
import os

print(sorted(os.environ.items()) if "PATH" not in os.environ else [(k, os.environ[k]) for k in sorted(os.environ) if k in ("API_MODE", "EMPTY", "ÜMLAUT")])
print(os.environ.get("HOME_OF_NOBODY", "unset"), os.path.expandvars("$API_MODE/x"))
