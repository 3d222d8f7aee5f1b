# A daemon that never ends is left behind.
# stdout:
# |beat
# |beat
# |main ends
import threading, time
def forever():
    while True:
        time.sleep(0.2); print("beat")
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.5)
print("main ends")
