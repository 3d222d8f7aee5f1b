# Event loops that run in threads.
# stdout:
# |(3, True)
# |[0, 2, 4]
# |False
# |(10, True)
# |False False
# |[(0, 0), (0, 1), (1, 0), (1, 1)]
# |[0, 1]
# |There is no current event loop in thread 'T'.
# |[0, 1, 2]
# |closed
# |1
import asyncio, threading, time
from concurrent.futures import ThreadPoolExecutor
loop = asyncio.new_event_loop()
t = threading.Thread(target=loop.run_forever, daemon=True)
t.start()


async def add(a, b):
    await asyncio.sleep(0.01)
    return (a + b, threading.current_thread() is t)


print(asyncio.run_coroutine_threadsafe(add(1, 2), loop).result(5))
fs = [asyncio.run_coroutine_threadsafe(add(i, i), loop) for i in range(3)]
print([f.result()[0] for f in fs])


async def main():
    print(asyncio.get_running_loop() is loop)
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(add(5, 5), loop))


print(asyncio.run(main()))
loop.call_soon_threadsafe(loop.stop)
t.join()
print(t.is_alive(), loop.is_running())
loop.close()
out = []


def worker(n):

    async def go():
        for i in range(2):
            out.append((n, i))
            await asyncio.sleep(0.01 * (n + 1))
        return n
    return asyncio.run(go())


ts = [threading.Thread(target=worker, args=(i,)) for i in range(2)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sorted(out))
with ThreadPoolExecutor(2) as ex:
    print(list(ex.map(worker, [0, 1])))


def no():
    try:
        asyncio.get_event_loop()
    except RuntimeError as e:
        return str(e)
    return 'got one'


t = threading.Thread(target=lambda: print(no()), name='T')
t.start()
t.join()


class Loop(threading.Thread):

    def __init__(self):
        super().__init__()
        self.ready = threading.Event()

    def run(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.ready.set()
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()
            print('closed')


l = Loop()
l.start()
l.ready.wait()


async def agen():
    for i in range(3):
        yield i
        await asyncio.sleep(0)


async def col():
    return [x async for x in agen()]


print(asyncio.run_coroutine_threadsafe(col(), l.loop).result())
l.loop.call_soon_threadsafe(l.loop.stop)
l.join()
ex = ThreadPoolExecutor(2)


def nested(n):
    return n if n == 0 else ex.submit(nested, n - 1).result() + 1


print(ex.submit(nested, 1).result())
