// The command line of MCP Inspector, in the era that the first argument names: a
// process for each call. To cancel one is to end its process. Each process would sign in
// anew and open a browser, so the SDK signs in once, and all have its token.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { signedIn } from './sign_in.mjs';
import { HEADERS, SIGNS_IN, URL_OF_SERVER, answer, steps } from './steps.mjs';

const era = process.argv[2];
const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json');
const program = join(dirname(manifest), 'clients/launcher/build/index.js');

async function credential() {
  if (!SIGNS_IN) return HEADERS.Authorization;
  let provider;
  const connection = (authProvider) => {
    provider = authProvider;
    const client = new Client({ name: 'belljar-tests', version: '0' });
    return { client, transport: new StreamableHTTPClientTransport(new URL(URL_OF_SERVER), { authProvider }) };
  };
  const { client } = await signedIn(connection, (transport, sent) => transport.finishAuth(sent));
  await client.close();
  return `Bearer ${provider.tokens().access_token}`;
}

const authorization = await credential();

function inspect(words, signal) {
  const given = ['--cli', '--quiet', '--format', 'json', '--protocol-era', era, '--transport', 'http'];
  const header = ['--header', `Authorization: ${authorization}`];
  const inspector = spawn(
    process.execPath,
    [program, ...given, '--server-url', URL_OF_SERVER, ...header, ...words],
    { signal, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  let complained = '';
  inspector.stdout.on('data', (data) => (said += data));
  inspector.stderr.on('data', (data) => (complained += data));
  return new Promise((resolve, reject) => {
    inspector.on('error', reject);
    inspector.on('close', (code) => {
      try {
        resolve(JSON.parse(said));
      } catch {
        reject(new Error(`it ended with ${code}: ${said}${complained}`));
      }
    });
  });
}

await steps({
  protocol: { legacy: '2025-11-25', modern: '2026-07-28' }[era],
  tools: async () => (await inspect(['--method', 'tools/list'])).result.tools.map((tool) => tool.name),
  call: async (name, given, signal) => {
    const words = ['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(given)];
    return answer((await inspect(words, signal)).result);
  },
});
