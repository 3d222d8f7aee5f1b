# A thread goes on until a variable tells it to stop.
# stdout:
# |stopped
# |True
import threading, time
running = True
ticks = []
def beat():
    while running:
        ticks.append(1); time.sleep(0.05)
    print("stopped")
t = threading.Thread(target=beat); t.start()
time.sleep(0.22); running = False
t.join(); print(len(ticks) > 1)
