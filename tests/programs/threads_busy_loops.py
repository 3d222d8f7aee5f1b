# A loop without waiting gives others their turn.
# stdout:
# |True
# |ok
import threading, time
stop = threading.Event(); n = 0
def spin():
    global n
    while not stop.is_set(): n += 1
t = threading.Thread(target=spin); t.start()
time.sleep(0.05); stop.set(); t.join(); print(n > 10)
flag = False
def spin2():
    global n
    while not flag: n += 1
t = threading.Thread(target=spin2); t.start()
time.sleep(0.05); flag = True; t.join(); print("ok")
