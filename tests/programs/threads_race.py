# A race that sleeping lets happen does happen.
# stdout:
# |-60
import threading, time
balance = 100
def withdraw(n):
    global balance
    if balance >= n:
        time.sleep(0.01)
        balance -= n
ts = [threading.Thread(target=withdraw, args=(80,)) for _ in range(2)]
for t in ts: t.start()
for t in ts: t.join()
print(balance)
