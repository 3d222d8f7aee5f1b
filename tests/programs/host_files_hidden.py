# Files of the machine outside are not there.
# status: exited 1
# error: FileNotFoundError
# error has: '/etc/passwd'
# traceback has: the only folder here is /workspace
open("/etc/passwd").read()
