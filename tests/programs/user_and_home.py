# The user and the home are those that bash of the same session shows.
# differs: the user is that of the sandbox
# stdout:
# |/workspace /workspace /workspace
# |belljar belljar belljar
# |1000 1000 1000 1000 [1000]
# |belljar belljar
# |{'HOME': '/workspace', 'LANG': 'C.UTF-8', 'LOGNAME': 'belljar', 'TMPDIR': '/tmp', 'USER': 'belljar'} /usr/bin
# |KeyError "getpwnam(): name not found: 'root'"
# |pwd.struct_passwd(pw_name='belljar', pw_passwd='x', pw_uid=1000, pw_gid=1000, pw_gecos='', pw_dir='/workspace', pw_shell='/bin/bash')
import getpass
import grp
import os
import pathlib
import pwd

print(pathlib.Path.home(), os.path.expanduser("~"), os.path.expanduser("~belljar"))
print(getpass.getuser(), os.getlogin(), pwd.getpwuid(os.getuid()).pw_name)
print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups())
print(grp.getgrgid(os.getgid()).gr_name, pwd.getpwnam("belljar")[0])
names = ("HOME", "LANG", "LOGNAME", "TMPDIR", "USER")
print({name: os.environ[name] for name in names}, os.environ["PATH"].split(":")[-3])
try:
    pwd.getpwnam("root")
except KeyError as error:
    print("KeyError", error)
print(pwd.getpwuid(1000))
