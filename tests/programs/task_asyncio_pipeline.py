# Runs a pipeline of coroutines: producers, workers with a queue, timeouts, retries, a semaphore.
# stdout:
# |[('even', 0, 0), ('even', 2, 4), ('even', 4, 16), ('even', 6, 36), ('even', 8, 64), ('odd', 1, 1), ('odd', 7, 49), ('odd', 13, 'unlucky')] ['CancelledError', 'CancelledError', 'CancelledError']
# |['after 3 calls', 'gave up: attempt 3']
# |timed out
# |waited too long TimeoutError()
# |[0, 2, 4] 6
# |group failed: (ConnectionError('attempt 1'),)
# |1 1 [0.001]
# |['quick', 'slow'] 6
# |[2, 1] ['enter pipeline', 'leave pipeline']
# |quick enough: True
# |old style
import asyncio
import time
from contextlib import asynccontextmanager

log = []


@asynccontextmanager
async def stage(name):
    log.append(f"enter {name}")
    try:
        yield name
    finally:
        log.append(f"leave {name}")


async def produce(queue, name, items):
    for item in items:
        await asyncio.sleep(0.001)
        await queue.put((name, item))


async def work(queue, results, limit):
    while True:
        name, item = await queue.get()
        async with limit:
            await asyncio.sleep(0)
            if item == 13:
                results.append((name, item, "unlucky"))
            else:
                results.append((name, item, item**2))
        queue.task_done()


class Flaky:
    def __init__(self, failures):
        self.failures = failures
        self.calls = 0

    async def fetch(self):
        self.calls += 1
        await asyncio.sleep(0.001)
        if self.calls <= self.failures:
            raise ConnectionError(f"attempt {self.calls}")
        return f"after {self.calls} calls"


async def retry(action, attempts, delay=0.001):
    for attempt in range(1, attempts + 1):
        try:
            return await action()
        except ConnectionError as error:
            if attempt == attempts:
                return f"gave up: {error}"
            await asyncio.sleep(delay * 2**attempt)


async def ticks(count):
    for number in range(count):
        yield number
        await asyncio.sleep(0)


async def main():
    queue = asyncio.Queue(maxsize=3)
    results = []
    limit = asyncio.Semaphore(2)
    async with stage("pipeline"):
        workers = [asyncio.create_task(work(queue, results, limit), name=f"worker-{n}") for n in range(3)]
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(queue, "even", range(0, 10, 2)))
            group.create_task(produce(queue, "odd", [1, 13, 7]))
        await queue.join()
        for worker in workers:
            worker.cancel()
        ended = await asyncio.gather(*workers, return_exceptions=True)
    print(sorted(results), [type(e).__name__ for e in ended])
    print(await asyncio.gather(retry(Flaky(2).fetch, 5), retry(Flaky(9).fetch, 3)))
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
    except TimeoutError:
        print("timed out")
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError as error:
        print("waited too long", repr(error))
    print([n async for n in ticks(5) if n % 2 == 0], sum([n async for n in ticks(4)]))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            group.create_task(Flaky(1).fetch())
    except* ConnectionError as errors:
        print("group failed:", errors.exceptions)
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(d, d)) for d in (0.001, 0.5)], return_when=asyncio.FIRST_COMPLETED)
    print(len(done), len(pending), [t.result() for t in done])
    for task in pending:
        task.cancel()
    order = []
    for future in asyncio.as_completed([asyncio.sleep(0.02, "slow"), asyncio.sleep(0.001, "quick")]):
        order.append(await future)
    print(order, await asyncio.to_thread(sum, [1, 2, 3]))
    condition, ready = asyncio.Condition(), []

    async def waiter(n):
        async with condition:
            await condition.wait_for(lambda: len(ready) >= n)
            return n

    tasks = [asyncio.create_task(waiter(n)) for n in (2, 1)]
    for n in range(2):
        await asyncio.sleep(0)
        async with condition:
            ready.append(n)
            condition.notify_all()
    print(await asyncio.gather(*tasks), log)


started = time.perf_counter()
asyncio.run(main())
print("quick enough:", time.perf_counter() - started < 5)
loop = asyncio.new_event_loop()
print(loop.run_until_complete(asyncio.sleep(0, "old style")))
loop.close()
