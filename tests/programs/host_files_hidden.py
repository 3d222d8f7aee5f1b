# Files of the machine outside are not there.
# differs: there are no files of the host
# status: exited 1
# error: FileNotFoundError
# error has: '/etc/passwd'
# traceback has: the only folder here is /workspace
open("/etc/passwd").read()
