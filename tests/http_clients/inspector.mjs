// The command line of MCP Inspector, in the era that the first argument names: a
// process for each call. To cancel one is to end its process.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { HEADERS, URL_OF_SERVER, answer, steps } from './steps.mjs';

const era = process.argv[2];
const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json');
const program = join(dirname(manifest), 'clients/launcher/build/index.js');

function inspect(words, signal) {
  const given = ['--cli', '--quiet', '--format', 'json', '--protocol-era', era, '--transport', 'http'];
  const header = ['--header', `Authorization: ${HEADERS.Authorization}`];
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
