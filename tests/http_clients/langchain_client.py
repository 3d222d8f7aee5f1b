"""langchain-mcp-adapters: tools as an agent gets them, a session of MCP for each call."""
from langchain_mcp_adapters.client import MultiServerMCPClient
from sign_in import provider
from steps import HEADERS, SIGNS_IN, URL, Answer, run, steps


class Adapter:
    def __init__(self, by_name, protocol):
        self.by_name = by_name
        self.protocol = protocol

    async def tools(self):
        return list(self.by_name)

    async def call(self, tool, arguments):
        call = {"type": "tool_call", "id": "1", "name": tool, "args": arguments}
        message = await self.by_name[tool].ainvoke(call)
        blocks = message.content
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        images = [block["base64"] for block in blocks if block["type"] == "image"]
        return Answer(text, images, message.status == "error")


async def main():
    connection = {"transport": "streamable_http", "url": URL, "headers": HEADERS}
    if SIGNS_IN:
        connection["auth"] = provider(URL, lambda code, state, _: (code, state))
    client = MultiServerMCPClient({"belljar": connection})
    async with client.session("belljar", auto_initialize=False) as session:
        protocol = (await session.initialize()).protocolVersion
    by_name = {tool.name: tool for tool in await client.get_tools()}
    await steps(Adapter(by_name, protocol))


run(main())
