"""What each client in Python does: one line of JSON for each step, with what came of it.

A client is an object with `tools()` and `call(tool, arguments)`, which gives an `Answer`, and `protocol`, the
revision that it speaks.
"""
import asyncio
import base64
import json
import os
import re
import sys
from dataclasses import dataclass, field

URL = os.environ["BELLJAR_URL"]
AUTHORIZATION = os.environ.get("BELLJAR_AUTHORIZATION")
# Without a credential that is sent as it is, a client signs in.
SIGNS_IN = AUTHORIZATION is None
HEADERS = {} if SIGNS_IN else {"Authorization": AUTHORIZATION}

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# How long a step may take before it counts as a hang. What is cancelled would run five times as long.
PATIENCE = 60


@dataclass
class Answer:
    text: str
    images: list = field(default_factory=list)
    is_error: bool = False


def python(code, **more):
    return {"language": "python", "code": code, **more}


async def tools(client):
    names = await client.tools()
    assert {"execute", "read", "session", "write"} <= set(names), names


async def output(client):
    answer = await client.call("execute", python("print('hi')"))
    assert answer.text.strip() == "hi", answer


async def session(client):
    opened = await client.call("execute", python("x = 41", session="new"))
    [handle] = re.findall(r"s_[a-z0-9]+", opened.text)
    answer = await client.call("execute", python("print(x + 1)", session=handle))
    assert answer.text.startswith("42\n"), answer
    client.handle = handle


async def file(client):
    code = "open('/workspace/numbers.csv', 'w').write('a,b\\n1,2\\n')"
    await client.call("execute", python(code, session=client.handle))
    answer = await client.call("read", {"session": client.handle, "path": "numbers.csv"})
    assert "a,b" in answer.text and "1,2" in answer.text, answer


async def image(client):
    code = f"import base64\nfrom IPython.display import Image\ndisplay(Image(base64.b64decode({PIXEL!r})))"
    answer = await client.call("execute", python(code))
    assert [base64.b64decode(image) for image in answer.images] == [base64.b64decode(PIXEL)], answer


async def error(client):
    answer = await client.call("execute", python("1 / 0"))
    assert answer.is_error and "ZeroDivisionError" in answer.text, answer


async def running(client, count):
    while f"{count} running" not in (await client.call("health_check", {})).text:
        await asyncio.sleep(0.02)


async def cancelled(client):
    # The server has one place: a call that went on would keep the last one waiting.
    endless = python("while True: pass", limits={"wall_time_ms": 300_000, "cpu_time_ms": 300_000})
    call = asyncio.create_task(client.call("execute", endless))
    await running(client, 1)
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        pass
    await running(client, 0)
    await output(client)


STEPS = [tools, output, session, file, image, error, cancelled]


def report(step, **more):
    print(json.dumps({"step": step, **more}), flush=True)


async def steps(client):
    """All of them, whatever came of the one before."""
    report("protocol", protocol=client.protocol)
    for step in STEPS:
        try:
            await asyncio.wait_for(step(client), PATIENCE)
        except Exception as problem:
            report(step.__name__, problem=f"{type(problem).__name__}: {problem}"[:500])
        else:
            report(step.__name__)


def run(main):
    asyncio.run(main)
    sys.exit(0)
