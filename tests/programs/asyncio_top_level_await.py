# Awaits at the top level, as in a notebook.
# result: [0, 1, 4]
import asyncio


async def square(n):
    await asyncio.sleep(0)
    return n * n


await asyncio.gather(*(square(n) for n in range(3)))
