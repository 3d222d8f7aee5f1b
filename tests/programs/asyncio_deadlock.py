# Waits for an event that nobody sets: an error at once, not a hang.
# status: exited 1
# error: RuntimeError
# error has: deadlock
import asyncio

event = asyncio.Event()
asyncio.run(event.wait())
