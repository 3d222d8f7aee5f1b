// A browser as far as signing in needs one: it keeps cookies and goes where it is
// sent. As a program it opens the address that is its argument, or says with `--print`
// where it was sent from there to another server.
import { setTimeout } from 'node:timers/promises';

/** Where the server of `address` sends a user in the end: to another one. */
export async function browse(address) {
  const cookies = new Map();
  let url = new URL(address);
  const { origin } = url;
  for (let steps = 0; url.origin === origin; steps += 1) {
    if (steps === 20) throw new Error(`it is sent around by ${origin}`);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location === null) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
    url = new URL(location, url);
  }
  return url;
}

/** Opens `address`, and where its server sends a user: a client that may not listen yet. */
async function visit(address) {
  const url = await browse(address);
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await setTimeout(50);
    }
  }
}

if (import.meta.filename === process.argv[1]) {
  const words = process.argv.slice(2);
  if (words[0] === '--print') console.log((await browse(words[1])).href);
  else await visit(words[0]);
}
