# asyncio with executors, task groups, semaphores and threads that wake the loop.
# stdout:
# |[0, 1, 2, 3, 4]
# |[0, 2, 4, 6]
# |256
# |[0, 2, 4]
# |timeout
# |2
# |a
# |b
# |1 1
# |[ValueError("invalid literal for int() with base 10: 'x'"), 1]
# |set from thread
# |10
# |[3, 2, 1]
# |ZeroDivisionError('division by zero')
import asyncio, time, functools, concurrent.futures, threading


async def producer(q, n):
    for i in range(n):
        await q.put(i)
        await asyncio.sleep(0)
    await q.put(None)


async def consumer(q):
    out = []
    while (x := (await q.get())) is not None:
        out.append(x)
    return out


def blocking(x):
    time.sleep(0.01)
    return x * 2


async def main():
    q = asyncio.Queue(2)
    _, r = await asyncio.gather(producer(q, 5), consumer(q))
    print(r)
    loop = asyncio.get_running_loop()
    print(await asyncio.gather(*[loop.run_in_executor(None, blocking, i) for i in range(4)]))
    with concurrent.futures.ProcessPoolExecutor(2) as p:
        print(await loop.run_in_executor(p, pow, 2, 8))
    async with asyncio.TaskGroup() as tg:
        ts = [tg.create_task(asyncio.to_thread(blocking, i)) for i in range(3)]
    print([t.result() for t in ts])
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1)
    except TimeoutError:
        print('timeout')
    sem = asyncio.Semaphore(2)
    active = peak = 0

    async def lim(i):
        nonlocal active, peak
        async with sem:
            active += 1
            peak = max(peak, active)
            await asyncio.to_thread(blocking, i)
            active -= 1
    await asyncio.gather(*map(lim, range(5)))
    print(peak)
    for c in asyncio.as_completed([asyncio.sleep(0.02, 'b'), asyncio.sleep(0.01, 'a')]):
        print(await c)
    d, p = await asyncio.wait([asyncio.create_task(asyncio.sleep(0.01, 1)), asyncio.create_task(asyncio.sleep(5))], return_when=asyncio.FIRST_COMPLETED)
    print(len(d), len(p))
    [t.cancel() for t in p]
    r = await asyncio.gather(asyncio.to_thread(int, 'x'), asyncio.sleep(0, 1), return_exceptions=True)
    print(r)
    ev = asyncio.Event()
    threading.Timer(0.01, lambda: loop.call_soon_threadsafe(ev.set)).start()
    await ev.wait()
    print('set from thread')
    lock = asyncio.Lock()
    n = 0

    async def inc():
        nonlocal n
        async with lock:
            v = n
            await asyncio.sleep(0)
            n = v + 1
    await asyncio.gather(*(inc() for _ in range(10)))
    print(n)
    print(await asyncio.to_thread(functools.partial(sorted, [3, 1, 2], reverse=True)))
    try:
        async with asyncio.TaskGroup() as tg:
            tg.create_task(asyncio.to_thread(lambda: 1 / 0))
            tg.create_task(asyncio.sleep(1))
    except* ZeroDivisionError as e:
        print(repr(e.exceptions[0]))


asyncio.run(main())
