# Names, idents and locals in a thread are its own.
# stdout:
# |3 ['MainThread', 'Thread-1 (show)', 'Thread-2 (show)']
# |Thread-1 (show) True True False True Thread-1 (show)
# |Thread-2 (show) True True True True Thread-2 (show)
# |1 ['MainThread'] main
import threading
import time

own = threading.local()
own.name = "main"


def show():
    me = threading.current_thread()
    own.name = me.name
    time.sleep(0.15 if me.daemon else 0.05)
    print(me.name, me is threading.current_thread(), me.ident == threading.get_ident(), me.daemon,
          me.is_alive(), own.name)


threads = [threading.Thread(target=show, daemon=bool(n)) for n in range(2)]
for thread in threads:
    thread.start()
print(threading.active_count(), [thread.name for thread in threading.enumerate()])
for thread in threads:
    thread.join()
print(threading.active_count(), [thread.name for thread in threading.enumerate()], own.name)
