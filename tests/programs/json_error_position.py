# Shows where a JSON document is broken.
# stdout:
# |2 7 Expecting value
import json

try:
    json.loads('{"a": 1,\n "b": oops}')
except json.JSONDecodeError as error:
    print(error.lineno, error.colno, error.msg)
