// The official TypeScript SDK, version 1, which most of what is out there is made with.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { HEADERS, URL_OF_SERVER, answer, steps } from './steps.mjs';

const client = new Client({ name: 'belljar-tests', version: '0' });
const transport = new StreamableHTTPClientTransport(new URL(URL_OF_SERVER), { requestInit: { headers: HEADERS } });
await client.connect(transport);
await steps({
  protocol: transport.protocolVersion,
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, given, signal) =>
    answer(await client.callTool({ name, arguments: given }, undefined, { signal })),
});
await transport.terminateSession();
await client.close();
