# Code that can do without a package does.
# stdout:
# |yaml
# |[1] None
try:
    import ujson as json
except ImportError:
    import json
try:
    from yaml import safe_load
except ModuleNotFoundError as error:
    safe_load = None
    print(error.name)
print(json.dumps([1]), safe_load)
