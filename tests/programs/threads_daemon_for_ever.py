# A daemon that never ends is left behind.
# stdout:
# |beat True
# |beat True
# |beat True
# |main ends
import threading, time
beats = threading.Semaphore(0)
def forever():
    while True:
        time.sleep(0.03); beats.release()
threading.Thread(target=forever, daemon=True).start()
for _ in range(3):
    print("beat", beats.acquire(timeout=60))
print("main ends")
