// Signing in with the SDK, of either version: the client registers itself, sends its
// user to the authorization server, and gets a token for what the server says it is.
import { browse } from './browser.mjs';

const REDIRECT = 'http://127.0.0.1:1/callback';

/** What a transport signs in with. `sent` is the address that the user came back to. */
function provider() {
  const kept = {};
  return {
    sent: undefined,
    redirectUrl: REDIRECT,
    clientMetadata: {
      client_name: 'belljar-tests',
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    clientInformation: () => kept.client,
    saveClientInformation: (client) => (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => (kept.tokens = tokens),
    saveDiscoveryState: (state) => (kept.state = state),
    discoveryState: () => kept.state,
    saveCodeVerifier: (verifier) => (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
    async redirectToAuthorization(address) {
      this.sent = await browse(address);
    },
  };
}

/** A connection of a client that has signed in; each try has a client and a transport of its own. */
export async function signedIn(connect, finish) {
  const authProvider = provider();
  const first = connect(authProvider);
  try {
    await first.client.connect(first.transport);
    return first;
  } catch (problem) {
    if (authProvider.sent === undefined) throw problem;
  }
  await finish(first.transport, authProvider.sent.searchParams);
  const second = connect(authProvider);
  await second.client.connect(second.transport);
  return second;
}
