# The shell is refused, with advice.
# differs: there are no processes, and the error says so
# stdout:
# |this sandbox has no processes and no shell
# |this sandbox has no processes and no shell
import os
import subprocess

for attempt in (lambda: os.system("pip install numpy"), lambda: subprocess.check_output("whoami", shell=True)):
    try:
        attempt()
    except OSError as error:
        print(str(error.strerror).partition(";")[0])
