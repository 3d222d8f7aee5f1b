# Runs coroutines side by side with gather, timeouts and a queue.
# stdout:
# |['b', 'a']
# |timeout TimeoutError
# |[1, 4, 9]
import asyncio


async def worker(name, delay):
    await asyncio.sleep(delay)
    return name


async def slow():
    await asyncio.sleep(60)


async def main():
    print(await asyncio.gather(worker("b", 0.02), worker("a", 0.01)))
    try:
        await asyncio.wait_for(slow(), 0.01)
    except TimeoutError as error:
        print("timeout", type(error).__name__)
    queue = asyncio.Queue(1)
    seen = []

    async def consume():
        while (item := await queue.get()) is not None:
            seen.append(item * item)

    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        for item in (1, 2, 3, None):
            await queue.put(item)
    print(seen)


asyncio.run(main())
