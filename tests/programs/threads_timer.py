# Timers fire, or are cancelled, also after the main program.
# stdout:
# |armed
# |hello a Thread
# |done
# |end of main
# |hello late Thread
import threading, time
def hello(x): print("hello", x, threading.current_thread().name.split("-")[0])
t = threading.Timer(0.05, hello, args=("a",)); t.start()
u = threading.Timer(0.05, hello, args=("never",)); u.start(); u.cancel()
print("armed"); t.join(); print("done")
threading.Timer(0.02, hello, ["late"]).start()
print("end of main")
