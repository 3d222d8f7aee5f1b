"""Calls to the host that are in flight.

Whoever has nothing else to do waits for their answers here: see `threads.py`.
"""
from collections import deque

from _belljar_native import call_begin, call_wait

FAILED = 1
OVER = b"the run that made this call has ended"

# By number, what is told kind and bytes of the answer.
in_flight = {}
# What is told that there is room for one more call.
waiting = deque()


def begin(name, data, done):
    """Begins a call, unless as many are in flight as may be. Whether it did."""
    number = call_begin(name, data)
    if number >= 0:
        in_flight[number] = done
    return number >= 0


def collect(seconds):
    """Takes in the answers that are there, and waits for the first of them, for
    `seconds` or for ever."""
    answer = call_wait(seconds)
    while answer:
        number, kind, data = answer
        done = in_flight.pop(number, None)
        if done is not None:
            done(kind, data)
        if waiting:
            waiting.popleft()()
        answer = in_flight and call_wait(0)
    if answer is False:
        # The host knows of none: something took the answers away.
        forget()


def forget():
    """Gives up what is in flight."""
    lost = list(in_flight.values())
    in_flight.clear()
    waiting.clear()
    for done in lost:
        done(FAILED, OVER)
