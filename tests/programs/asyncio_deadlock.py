# Waits for an event that nobody sets: an error at once, not a hang.
# differs: native Python waits forever
# status: exited 1
# error: RuntimeError
# error has: deadlock
import asyncio

event = asyncio.Event()
asyncio.run(event.wait())
