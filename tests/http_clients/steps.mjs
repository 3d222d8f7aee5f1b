// What each client in JavaScript does: one line of JSON for each step, with what came
// of it. A client has `protocol`, `tools()` and `call(tool, arguments, signal)`, which
// gives `{text, images, isError}`.
import assert from 'node:assert/strict';

export const URL_OF_SERVER = process.env.BELLJAR_URL;
const AUTHORIZATION = process.env.BELLJAR_AUTHORIZATION;
// Without a credential that is sent as it is, a client signs in.
export const SIGNS_IN = AUTHORIZATION === undefined;
export const HEADERS = SIGNS_IN ? {} : { Authorization: AUTHORIZATION };

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
// How long a step may take before it counts as a hang. What is cancelled would run
// five times as long.
const PATIENCE_MS = 60_000;

const python = (code, more) => ({ language: 'python', code, ...more });

/** The answer in the content of a result. */
export function answer({ content, isError }) {
  const of = (type) => content.filter((block) => block.type === type);
  return {
    text: of('text').map((block) => block.text).join('\n'),
    images: of('image').map((block) => block.data),
    isError: isError === true,
  };
}

async function running(client, count) {
  while (!(await client.call('health_check', {})).text.includes(`${count} running`)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const STEPS = {
  async tools(client) {
    const names = await client.tools();
    for (const name of ['execute', 'read', 'session', 'write']) assert(names.includes(name), `${names}`);
  },
  async output(client) {
    assert.equal((await client.call('execute', python("print('hi')"))).text.trim(), 'hi');
  },
  async session(client) {
    const opened = await client.call('execute', python('x = 41', { session: 'new' }));
    [client.handle] = opened.text.match(/s_[a-z0-9]+/);
    const { text } = await client.call('execute', python('print(x + 1)', { session: client.handle }));
    assert(text.startsWith('42\n'), text);
  },
  async file(client) {
    const code = "open('/workspace/numbers.csv', 'w').write('a,b\\n1,2\\n')";
    await client.call('execute', python(code, { session: client.handle }));
    const { text } = await client.call('read', { session: client.handle, path: 'numbers.csv' });
    assert(text.includes('a,b') && text.includes('1,2'), text);
  },
  async image(client) {
    const code =
      `import base64\nfrom IPython.display import Image\ndisplay(Image(base64.b64decode('${PIXEL}')))`;
    assert.deepEqual((await client.call('execute', python(code))).images, [PIXEL]);
  },
  async error(client) {
    const { text, isError } = await client.call('execute', python('1 / 0'));
    assert(isError && text.includes('ZeroDivisionError'), text);
  },
  async cancelled(client) {
    // The server has one place: a call that went on would keep the last one waiting.
    const limits = { wall_time_ms: 300_000, cpu_time_ms: 300_000 };
    const cancel = new AbortController();
    const call = client.call('execute', python('while True: pass', { limits }), cancel.signal);
    const ended = call.then(
      () => assert.fail('an endless program came to an end'),
      () => {},
    );
    await running(client, 1);
    cancel.abort();
    await ended;
    await running(client, 0);
    await STEPS.output(client);
  },
};

const report = (step, more) => console.log(JSON.stringify({ step, ...more }));

/** All of them, whatever came of the one before. */
export async function steps(client) {
  report('protocol', { protocol: client.protocol });
  for (const [name, step] of Object.entries(STEPS)) {
    const hangs = new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`nothing came for ${PATIENCE_MS} ms`)), PATIENCE_MS).unref();
    });
    try {
      await Promise.race([step(client), hangs]);
      report(name);
    } catch (problem) {
      report(name, { problem: `${problem}`.slice(0, 500) });
    }
  }
}
