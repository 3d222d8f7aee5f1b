# The user that the environment of the call names is the user of the sandbox, as in bash.
# env: {"HOME": "/workspace/home", "LOGNAME": "ann"}
# differs: a machine has its own list of users
# stdout:
# |ann ann /workspace/home
# |ann ann ann /workspace/home ann
import getpass
import grp
import os
import pwd

print(os.environ["USER"], os.environ["LOGNAME"], os.environ["HOME"])
user = pwd.getpwuid(os.getuid())
print(user.pw_name, os.getlogin(), getpass.getuser(), user.pw_dir, grp.getgrgid(os.getgid()).gr_name)
