"""How a program of the image calls its host and waits for the answer, while its
threads and tasks go on.
"""
import asyncio

from . import calls, threads
from .threads import Wait


def steps(name, data):
    """A call as a generator that yields what it waits for; gives kind and bytes
    of the answer."""
    answer = []
    while not calls.begin(name, data, lambda *got: answer.extend(got)):
        yield Wait(_has_room_now(), None, "room for a call to the host")
    yield Wait(lambda: answer, None, "an answer of the host")
    return answer


def _has_room_now():
    room = []
    calls.waiting.append(lambda: room.append(True))
    return lambda: room or not calls.in_flight


def ask(name, data):
    """Kind and bytes of the answer to a call."""
    asked = steps(name, data)
    while True:
        try:
            wait = next(asked)
        except StopIteration as end:
            return end.value
        threads.wait_here(wait.ready, None)


async def ask_async(name, data):
    """The same for asyncio."""
    loop = asyncio.get_running_loop()
    while True:
        future = loop.create_future()
        if calls.begin(name, data, lambda *answer: _settle(loop, future, answer)):
            return await future
        calls.waiting.append(lambda: _settle(loop, future, None))
        await future


def _settle(loop, future, value):
    def set_value():
        if not future.done():
            future.set_result(value)

    if not loop.is_closed():
        # Whichever thread takes answers in.
        loop.call_soon_threadsafe(set_value)
