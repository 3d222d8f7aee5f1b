# Files of the machine outside are not there.
# differs: there are no files of the host
# status: exited 1
# error: FileNotFoundError
# error has: '/etc/passwd'
# traceback has: the only folders here are /workspace and /tmp
open("/etc/passwd").read()
