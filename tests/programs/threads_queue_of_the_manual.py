# A daemon works through a queue, as in the manual.
# stdout:
# |Working on 0
# |Finished 0
# |Working on 1
# |Finished 1
# |Working on 2
# |Finished 2
# |Working on 3
# |Finished 3
# |Working on 4
# |Finished 4
# |All work completed
import threading, queue
q = queue.Queue()
def worker():
    while True:
        item = q.get()
        print(f'Working on {item}')
        print(f'Finished {item}')
        q.task_done()
threading.Thread(target=worker, daemon=True).start()
for item in range(5):
    q.put(item)
q.join()
print('All work completed')
