// The official TypeScript SDK, version 2, in the mode that the first argument names.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { HEADERS, URL_OF_SERVER, answer, steps } from './steps.mjs';

const client = new Client(
  { name: 'belljar-tests', version: '0' },
  { versionNegotiation: { mode: process.argv[2] } },
);
await client.connect(new StreamableHTTPClientTransport(new URL(URL_OF_SERVER), { requestInit: { headers: HEADERS } }));
await steps({
  protocol: client.getNegotiatedProtocolVersion(),
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, given, signal) => answer(await client.callTool({ name, arguments: given }, { signal })),
});
await client.close();
