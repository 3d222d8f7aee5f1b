"""The official Python SDK, in the era that its first argument names."""
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.auth import AuthorizationCodeResult
from sign_in import provider
from steps import HEADERS, SIGNS_IN, URL, Answer, run, steps


class Adapter:
    def __init__(self, client):
        self.client = client
        self.protocol = client.protocol_version

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        images = [block.data for block in result.content if block.type == "image"]
        return Answer(text, images, result.is_error)


async def main():
    result = lambda code, state, issuer: AuthorizationCodeResult(code=code, state=state, iss=issuer)
    auth = provider(URL, result) if SIGNS_IN else None
    async with httpx2.AsyncClient(headers=HEADERS, auth=auth, timeout=httpx2.Timeout(30, read=300)) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=sys.argv[1]) as client:
            await steps(Adapter(client))


run(main())
