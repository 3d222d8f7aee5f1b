// What a client does that was given an address alone: it finds the authorization
// server, has a user sign in (PKCE, `resource`), calls with the token, and asks for more
// scopes when it is told to. Arguments: where the server is, and the resource that it is.
import { createHash, randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';

const [server, resource] = process.argv.slice(2);
const redirect = 'http://127.0.0.1:1/callback';
const checked = (what) => console.log(`${what}: ok`);

const call = async (token, code) => {
  const answer = await fetch(server, {
    method: 'POST',
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'execute',
    },
    body: JSON.stringify({
      jsonrpc: '2.0', id: 1, method: 'tools/call',
      params: {
        name: 'execute', arguments: { language: 'python', code },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'a-client', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  const challenge = answer.headers.get('www-authenticate') ?? '';
  const said = (name) => challenge.match(new RegExp(`${name}="([^"]*)"`))?.[1];
  return { status: answer.status, body: await answer.json(), said };
};

// A browser: it keeps cookies and stops where it is sent back to the client.
const browser = () => {
  const cookies = new Map();
  return async (address, form) => {
    let options = form && { method: 'POST', body: new URLSearchParams(form) };
    for (let hops = 0; hops < 20; hops += 1) {
      const headers = { Cookie: [...cookies].map((pair) => pair.join('=')).join('; ') };
      const answer = await fetch(address, { ...options, headers, redirect: 'manual' });
      for (const cookie of answer.headers.getSetCookie()) {
        const [name, value] = cookie.split(';')[0].split('=');
        if (value) cookies.set(name, value); else cookies.delete(name);
      }
      const location = answer.headers.get('location');
      if (!location) return { address, text: await answer.text() };
      address = new URL(location, address).href;
      if (address.startsWith(redirect)) return { address };
      options = undefined;
    }
    throw new Error('too many redirects');
  };
};

const signIn = async (metadata, user, scope, indicator) => {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(8).toString('hex');
  const address = new URL(metadata.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: 'code', client_id: 'a-client', redirect_uri: redirect, scope, state, resource: indicator,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const visit = browser();
  let page = await visit(address.href);
  for (const form of [{ prompt: 'login', login: user, password: 'any' }, { prompt: 'consent' }]) {
    const action = page.text?.match(/action="([^"]+)"/)?.[1];
    if (!action) break;
    page = await visit(new URL(action, page.address).href, form);
  }
  const back = new URL(page.address).searchParams;
  assert.equal(back.get('state'), state, page.text);
  assert.equal(back.get('iss'), metadata.issuer);
  const answer = await fetch(metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: 'a-client', redirect_uri: redirect, code: back.get('code'),
      code_verifier: verifier, resource: indicator,
    }),
  });
  const granted = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(granted));
  return granted;
};

const asked = await call(undefined, 'print(1)');
assert.equal(asked.status, 401);
assert.equal(asked.said('error'), undefined);
assert.equal(asked.said('scope'), 'sandbox:read sandbox:execute');
checked('who has no token is told where to get one');

const place = new URL(asked.said('resource_metadata'));
assert.equal(place.origin, new URL(resource).origin);
const described = await (await fetch(new URL(place.pathname, server))).json();
assert.equal(described.resource, resource);
const metadata = await (await fetch(`${described.authorization_servers[0]}/.well-known/oauth-authorization-server`)).json();
assert.ok(metadata.code_challenge_methods_supported.includes('S256'));
checked('the authorization server is found by the metadata of the resource');

const granted = await signIn(metadata, 'alice', asked.said('scope'), resource);
const ran = await call(granted.access_token, 'print(6*7)');
assert.equal(ran.status, 200, JSON.stringify(ran.body));
assert.match(JSON.stringify(ran.body.result.content), /42/);
checked('a token for the resource runs a program');

const elsewhere = await signIn(metadata, 'alice', asked.said('scope'), 'https://other.example/mcp');
const refused = await call(elsewhere.access_token, 'print(1)');
assert.deepEqual([refused.status, refused.said('error'), refused.body.error.data.reason], [401, 'invalid_token', 'wrong_audience']);
checked('a token for another resource does not');

const less = await signIn(metadata, 'bob', 'sandbox:read', resource);
const short = await call(less.access_token, 'print(1)');
assert.deepEqual([short.status, short.said('error')], [403, 'insufficient_scope']);
const more = await signIn(metadata, 'bob', short.said('scope'), resource);
assert.equal((await call(more.access_token, 'print(1)')).status, 200);
checked('a client that is short of scopes is told all that it needs');

const opened = await signIn(metadata, 'alice', 'openid sandbox:execute', resource);
const identity = await call(opened.id_token, 'print(1)');
assert.deepEqual([identity.status, identity.said('error')], [401, 'invalid_token']);
checked('a token that says who somebody is does not call');
