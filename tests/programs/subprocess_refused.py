# Starting a program is refused, with advice.
# differs: there are no processes, and the error says so
# status: exited 1
# error: OSError
# error has: no processes and no shell
import subprocess

subprocess.run(["ls", "-l"], capture_output=True, check=True)
