# What the environment of the call says about the user counts first.
# env: {"HOME": "/workspace/home", "USER": "ann", "LOGNAME": "ann"}
# stdout:
# |/workspace/home /workspace/home ann
import getpass
import os
import pathlib

print(pathlib.Path.home(), os.path.expanduser("~"), getpass.getuser())
