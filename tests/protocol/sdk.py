"""Checks a server with the official Python SDK: `sdk.py <binary> <transport> <mode>`.

`transport` is `stdio` or `http`. `mode` is the SDK's own: `auto` discovers the newer era, `legacy` says
`initialize`. Every check is a function; its name is printed when it passed, and
the first that fails ends the script.
"""
import base64
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
from anyio.streams.text import TextReceiveStream
from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference

BINARY, TRANSPORT, MODE = sys.argv[1:]
VERSIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# How long anything may take before it counts as a hang.
PATIENCE = 60

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@asynccontextmanager
async def server(*flags, **options):
    settings = {name: value for name, value in os.environ.items() if name.startswith("BELLJAR_")}
    if TRANSPORT == "stdio":
        parameters = StdioServerParameters(command=BINARY, args=list(flags), env=settings)
        async with Client(parameters, mode=MODE, **options) as client:
            yield client
        return
    command = [BINARY, "serve", "--listen", ":0", *flags]
    async with await anyio.open_process(command, env=settings, stdin=subprocess.DEVNULL) as process:
        said = ""
        async for text in TextReceiveStream(process.stderr):
            said += text
            if "curl:" in said:
                break
        url = re.search(r"http://\S+/mcp", said).group()
        token = re.search(r"shown again: (\S+)", said).group(1)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300)) as http:
            async with Client(streamable_http_client(url, http_client=http), mode=MODE, **options) as client:
                yield client
        process.terminate()
        assert await process.wait() == 0


async def execute(client, code, /, progress_callback=None, **arguments):
    return await client.call_tool(
        "execute", {"language": "python", "code": code, **arguments}, progress_callback=progress_callback
    )


def text(result):
    return result.content[0].text


@check
async def the_server_introduces_itself(client):
    assert client.protocol_version == VERSIONS[MODE], client.protocol_version
    assert client.server_info.name == "belljar" and client.server_info.version
    assert client.server_capabilities.tools is not None
    assert "session" in client.instructions


@check
async def tools_are_listed_with_valid_schemas(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"execute", "read", "write", "health_check"} <= tools.keys(), tools.keys()
    for tool in tools.values():
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object", schema
        assert tool.description and tool.annotations.open_world_hint is False
    required = set(tools["execute"].input_schema["required"])
    assert required == {"language", "code"}, required


@check
async def structured_content_follows_the_output_schema(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    opened = await execute(client, "open('f', 'w').write('x')\n1", session="new")
    session = opened.structured_content["session"]["id"]
    results = {
        "a result": ("execute", opened),
        "an error": ("execute", await execute(client, "1 / 0")),
        "a limit": ("execute", await execute(client, "while True: pass", limits={"wall_time_ms": 100})),
        "a trap": ("execute", await execute(client, "import os\nos.abort()")),
        "cut output": ("execute", await execute(client, "print('x' * 100_000)")),
        "rich output": ("execute", await execute(client, "display({'text/html': '<b>'}, raw=True)")),
        "a listing": ("read", await client.call_tool("read", {"session": session})),
        "a file": ("read", await client.call_tool("read", {"session": session, "path": "f"})),
        "a write": ("write", await client.call_tool("write", {"session": session, "path": "g", "text": "y"})),
        "health": ("health_check", await client.call_tool("health_check", {})),
    }
    for what, (name, result) in results.items():
        assert result.structured_content, what
        problems = list(Draft202012Validator(tools[name].output_schema).iter_errors(result.structured_content))
        assert not problems, (what, problems[0].message)


@check
async def a_program_gives_output_value_and_files(client):
    result = await execute(client, "print('hello')\nopen('out.txt', 'w').write('x')\n6 * 7")
    content = result.structured_content
    assert not result.is_error
    assert (content["status"], content["exit_code"]) == ("exited", 0), content
    assert (content["stdout"], content["result"]) == ("hello\n", "42"), content
    assert content["files"] == [{"path": "out.txt", "size_bytes": 1}], content
    assert "hello" in text(result) and "42" in text(result)


@check
async def a_failing_program_is_a_tool_error_with_its_outcome(client):
    result = await execute(client, "raise ValueError('no good')")
    assert result.is_error
    assert result.structured_content["error"]["name"] == "ValueError"
    assert "ValueError: no good" in text(result)


@check
async def a_wrong_argument_is_a_tool_error_that_says_what_to_change(client):
    result = await execute(client, "1", limits={"wall_time_ms": 10**9})
    assert result.is_error and result.structured_content is None
    assert "limits.wall_time_ms must be between 10 and 300000" in text(result), text(result)
    result = await client.call_tool("execute", {"language": "python"})
    assert result.is_error and "code is missing; it must be a string" in text(result), text(result)


@check
async def an_unknown_tool_is_a_protocol_error(client):
    try:
        await client.call_tool("no_such_tool", {})
    except MCPError as error:
        assert error.code == -32602 and "no_such_tool" in error.message, error
    else:
        raise AssertionError("an unknown tool was called")


@check
async def a_session_keeps_state_and_files_can_be_read_and_written(client):
    opened = await client.call_tool("write", {"session": "new", "path": "in.csv", "text": "a\n1\n2\n"})
    session = opened.structured_content["session"]["id"]
    await execute(client, "rows = open('in.csv').read().split()[1:]", session=session)
    result = await execute(client, "sum(map(int, rows))", session=session)
    assert result.structured_content["result"] == "3"
    assert result.structured_content["session"]["state"] == "kept"
    read = await client.call_tool("read", {"session": session, "path": "in.csv", "pattern": "2"})
    assert text(read).startswith("3: 2\n"), text(read)
    data = base64.b64encode(bytes(range(256))).decode()
    await client.call_tool("write", {"session": session, "path": "b", "base64": data})
    read = await client.call_tool("read", {"session": session, "path": "b"})
    assert read.structured_content["base64"] == data


@check
async def images_are_image_content(client):
    code = f"import base64\nfrom IPython.display import Image\ndata = base64.b64decode({PIXEL!r})\n"
    shown = await execute(client, code + "display(Image(data))")
    [image] = [block for block in shown.content if block.type == "image"]
    assert (image.mime_type, image.data) == ("image/png", PIXEL)
    saved = await execute(client, code + "open('p.png', 'wb').write(data)")
    read = await client.call_tool("read", {"run": saved.structured_content["run"], "path": "p.png"})
    [image] = [block for block in read.content if block.type == "image"]
    assert base64.b64decode(image.data) == base64.b64decode(PIXEL)


@check
async def progress_is_reported_while_a_program_runs(client):
    reports = []

    async def report(progress, total, message):
        reports.append((progress, message))

    code = "import time\nfor n in range(100):\n    print('step', n)\n    time.sleep(0.01)"
    result = await execute(client, code, progress_callback=report)
    assert not result.is_error
    assert reports and "step" in reports[0][1], reports
    assert [progress for progress, _ in reports] == sorted(progress for progress, _ in reports)


@check
async def many_calls_at_once_each_get_their_own_answer(client):
    answers = {}

    async def call(number):
        answers[number] = (await execute(client, f"print({number})")).structured_content["stdout"]

    async with anyio.create_task_group() as group:
        for number in range(32):
            group.start_soon(call, number)
    assert answers == {number: f"{number}\n" for number in range(32)}


@check
async def a_cancelled_call_frees_its_place_and_keeps_its_session(_):
    # One place: a call that went on would keep every later one waiting.
    async with server("--runs=1") as client:
        session = (await execute(client, "x = 5", session="new")).structured_content["session"]["id"]
        begun = anyio.Event()

        async def report(progress, total, message):
            begun.set()

        async def endless():
            code = "print('begun')\nwhile True: pass"
            limits = {"wall_time_ms": 300_000}
            await execute(client, code, progress_callback=report, session=session, limits=limits)

        async with anyio.create_task_group() as group:
            group.start_soon(endless)
            await begun.wait()
            group.cancel_scope.cancel()
        result = await execute(client, "x", session=session)
        assert result.structured_content["result"] == "5", result


@check
async def resources_are_listed_and_read_by_their_templates(client):
    opened = await execute(client, f"import base64\nopen('a b.png', 'wb').write(base64.b64decode('{PIXEL}'))", session="new")
    session = opened.structured_content["session"]["id"]
    uris, cursor = [], None
    while True:
        page = await client.list_resources(cursor=cursor)
        uris += [resource.uri for resource in page.resources]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert uris == sorted(uris) and f"belljar://session/{session}/a%20b.png" in uris, uris
    templates = [template.uri_template for template in (await client.list_resource_templates()).resource_templates]
    assert "belljar://session/{session}/{+path}" in templates, templates
    [image] = (await client.read_resource(f"belljar://session/{session}/a%20b.png")).contents
    assert (image.mime_type, image.blob) == ("image/png", PIXEL), image
    [guide] = (await client.read_resource("belljar://guide")).contents
    assert guide.mime_type == "text/markdown" and "python" in guide.text
    try:
        await client.read_resource("belljar://session/s_00000000000000000000000000/x")
    except MCPError as error:
        assert error.code == (-32602 if MODE == "auto" else -32002), error
    else:
        raise AssertionError("a session that never was has a file")


@check
async def prompts_are_listed_given_and_completed(client):
    opened = await execute(client, "open('data.csv', 'w').close()", session="new")
    session = opened.structured_content["session"]["id"]
    prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert [argument.required for argument in prompts["analyze_file"].arguments] == [True, True, False]
    reference = PromptReference(type="ref/prompt", name="analyze_file")
    known = {"session": session}
    completed = await client.complete(reference, {"name": "path", "value": "da"}, known)
    assert completed.completion.values == ["data.csv"] and completed.completion.has_more is False, completed
    prompt = await client.get_prompt("analyze_file", {"session": session, "path": "data.csv"})
    assert session in prompt.messages[0].content.text, prompt


@check
async def a_change_of_a_file_is_told(_):
    changed = anyio.Event()

    async def take(message):
        if getattr(message, "method", "") == "notifications/resources/updated":
            assert message.params.uri == uri, message
            changed.set()

    async with server(message_handler=take) as client:
        opened = await execute(client, "", session="new")
        session = opened.structured_content["session"]["id"]
        uri = f"belljar://session/{session}/a"
        write = {"session": session, "path": "a", "text": "x"}
        if MODE == "auto":
            async with client.listen(resource_subscriptions=[uri]) as subscription:
                assert subscription.honored.resource_subscriptions == [uri], subscription.honored
                await client.call_tool("write", write)
                async for event in subscription:
                    assert event.uri == uri, event
                    break
        else:
            await client.subscribe_resource(uri)
            await client.call_tool("write", write)
            await changed.wait()
            await client.unsubscribe_resource(uri)


@check
async def a_call_that_times_out_at_the_client_is_cancelled_at_the_server(_):
    async with server("--runs=1") as client:
        try:
            await client.call_tool(
                "execute", {"language": "python", "code": "while True: pass"}, read_timeout_seconds=0.5
            )
        except MCPError:
            pass
        else:
            raise AssertionError("an endless program came to an end")
        result = await execute(client, "print('free')")
        assert result.structured_content["stdout"] == "free\n", result


async def main():
    async with server() as client:
        for function in CHECKS:
            with anyio.fail_after(PATIENCE):
                await function(client)
            print(f"{function.__name__}: ok", flush=True)


anyio.run(main)
