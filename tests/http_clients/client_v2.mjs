// The official TypeScript SDK, version 2, in the mode that the first argument names.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { signedIn } from './sign_in.mjs';
import { HEADERS, SIGNS_IN, URL_OF_SERVER, answer, steps } from './steps.mjs';

function connection(authProvider) {
  const client = new Client(
    { name: 'belljar-tests', version: '0' },
    { versionNegotiation: { mode: process.argv[2] } },
  );
  const options = { authProvider, requestInit: { headers: HEADERS } };
  return { client, transport: new StreamableHTTPClientTransport(new URL(URL_OF_SERVER), options) };
}

async function connected() {
  if (SIGNS_IN) return signedIn(connection, (transport, sent) => transport.finishAuth(sent));
  const made = connection();
  await made.client.connect(made.transport);
  return made;
}

const { client } = await connected();
await steps({
  protocol: client.getNegotiatedProtocolVersion(),
  tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, given, signal) => answer(await client.callTool({ name, arguments: given }, { signal })),
});
await client.close();
