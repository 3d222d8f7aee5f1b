"""pydantic-ai: the toolset of an agent."""
import base64

from pydantic_ai import BinaryContent
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.mcp import MCPToolset
from steps import HEADERS, SIGNS_IN, URL, Answer, run, steps


class Adapter:
    def __init__(self, toolset):
        self.toolset = toolset
        self.protocol = toolset.client.protocol_version

    async def tools(self):
        return [tool.name for tool in await self.toolset.list_tools()]

    async def call(self, tool, arguments):
        try:
            result = await self.toolset.direct_call_tool(tool, arguments)
        except ModelRetry as problem:
            # Its way to give a model what went wrong.
            return Answer(str(problem), is_error=True)
        parts = result if isinstance(result, list) else [result]
        images = [base64.b64encode(part.data).decode() for part in parts if isinstance(part, BinaryContent)]
        return Answer("\n".join(part for part in parts if isinstance(part, str)), images)


async def main():
    async with MCPToolset(URL, headers=HEADERS or None, auth="oauth" if SIGNS_IN else None) as toolset:
        await steps(Adapter(toolset))


run(main())
