# The older ways to run a coroutine.
# stdout: "5 6\n"
# stderr has: DeprecationWarning: There is no current event loop
import asyncio


async def main(n):
    await asyncio.sleep(0)
    return n


first = asyncio.get_event_loop().run_until_complete(main(5))
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
print(first, asyncio.get_event_loop().run_until_complete(main(6)))
loop.close()
