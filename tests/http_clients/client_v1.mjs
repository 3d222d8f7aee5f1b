// The official TypeScript SDK, version 1, which most of what is out there is made with.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { signedIn } from './sign_in.mjs';
import { HEADERS, SIGNS_IN, URL_OF_SERVER, answer, steps } from './steps.mjs';

function connection(authProvider) {
  const client = new Client({ name: 'belljar-tests', version: '0' });
  const options = { authProvider, requestInit: { headers: HEADERS } };
  return { client, transport: new StreamableHTTPClientTransport(new URL(URL_OF_SERVER), options) };
}

async function connected() {
  if (SIGNS_IN) return signedIn(connection, (transport, sent) => transport.finishAuth(sent.get('code')));
  const made = connection();
  await made.client.connect(made.transport);
  return made;
}

const { client, transport } = await connected();
await steps({
  protocol: transport.protocolVersion,
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, given, signal) =>
    answer(await client.callTool({ name, arguments: given }, undefined, { signal })),
});
await transport.terminateSession();
await client.close();
