# A thread goes on until a variable tells it to stop.
# stdout:
# |stopped
# |True False
import threading, time
running = True
ticks = []
def beat():
    while running:
        ticks.append(1); time.sleep(0.01)
    print("stopped")
t = threading.Thread(target=beat); t.start()
while len(ticks) < 5:
    time.sleep(0.02)
running = False
t.join(); print(len(ticks) >= 5, t.is_alive())
