"""fastmcp's client, as it is by default."""
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from steps import HEADERS, SIGNS_IN, URL, Answer, run, steps


class Adapter:
    def __init__(self, client):
        self.client = client
        self.protocol = client.protocol_version

    async def tools(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments, raise_on_error=False)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        images = [block.data for block in result.content if block.type == "image"]
        return Answer(text, images, result.is_error)


async def main():
    # It opens the browser of the user.
    transport = StreamableHttpTransport(URL, headers=HEADERS, auth="oauth" if SIGNS_IN else None)
    async with Client(transport) as client:
        await steps(Adapter(client))


run(main())
