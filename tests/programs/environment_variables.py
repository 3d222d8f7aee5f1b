# Sees the variables of the call and nothing of the host's.
# env: {"API_MODE": "test", "EMPTY": "", "ÜMLAUT": "ß"}
# stdout:
# |[('API_MODE', 'test'), ('EMPTY', ''), ('ÜMLAUT', 'ß')] /workspace True
# |unset test/x
import os

print([(name, os.environ[name]) for name in ("API_MODE", "EMPTY", "ÜMLAUT")], os.environ["HOME"], os.environ["TMPDIR"] != "")
print(os.environ.get("HOME_OF_NOBODY", "unset"), os.path.expandvars("$API_MODE/x"))
