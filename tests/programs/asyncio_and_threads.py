# asyncio hands calls to threads: to_thread, executors, and back into the loop.
# stdout:
# |[(3, 'asyncio_0', 7), (1, 'asyncio_1', 7), (2, 'asyncio_2', 7)]
# |1
# |[(1, 'mine_0', 0), (2, 'mine_1', 0)]
# |True
# |timeout
# |division by zero
# |from loop
# |True
# |[0, 1, 2]
import asyncio, threading, time, contextvars
from concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor
v = contextvars.ContextVar('v', default=0)


def work(n):
    time.sleep(0.01 * n)
    return (n, threading.current_thread().name, v.get())


async def main():
    v.set(7)
    print(await asyncio.gather(*(asyncio.to_thread(work, n) for n in (3, 1, 2))))
    loop = asyncio.get_running_loop()
    print((await loop.run_in_executor(None, work, 1))[0])
    with ThreadPoolExecutor(2, 'mine') as ex:
        print(await asyncio.gather(*(loop.run_in_executor(ex, work, n) for n in (1, 2))))
    ev = threading.Event()
    t = asyncio.create_task(asyncio.to_thread(ev.wait, 5))
    await asyncio.sleep(0.01)
    ev.set()
    print(await t)
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.2), 0.02)
    except TimeoutError:
        print('timeout')
    try:
        await asyncio.to_thread(lambda: 1 / 0)
    except ZeroDivisionError as e:
        print(e)

    async def co():
        await asyncio.sleep(0.01)
        return 'from loop'

    def threaded():
        return asyncio.run_coroutine_threadsafe(co(), loop).result()
    print(await asyncio.to_thread(threaded))
    ticks = 0
    fut = loop.run_in_executor(None, time.sleep, 0.05)
    while not fut.done():
        ticks += 1
        await asyncio.sleep(0.01)
    print(ticks > 2)
    q = asyncio.Queue()

    def feed():
        for i in range(3):
            loop.call_soon_threadsafe(q.put_nowait, i)
    await asyncio.to_thread(feed)
    print([await q.get() for _ in range(3)])


asyncio.run(main())
