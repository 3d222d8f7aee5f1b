// An authorization server, with everybody's consent: its port and the resource that
// its tokens are for are its arguments. It says when it listens.
import { generateKeyPairSync } from 'node:crypto';
import { Provider, errors } from 'oidc-provider';

const [port, resource] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const scope = 'sandbox:read sandbox:execute sandbox:admin';
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...key, kid: 'key', alg: 'ES256', use: 'sig' }] },
  cookies: { keys: ['a key of tests'] },
  scopes: ['openid', 'offline_access', ...scope.split(' ')],
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => [],
      useGrantedResource: () => true,
      getResourceServerInfo(_, asked) {
        if (asked !== resource) throw new errors.InvalidTarget();
        return { scope, audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
      },
    },
  },
  // Clients on this machine say http, and one of them calls itself a program of its own.
  clientDefaults: { application_type: 'native', id_token_signed_response_alg: 'ES256' },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, { uid }) => `/consent/${uid}` },
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope(`openid offline_access ${scope}`);
    grant.addResourceScope(resource, scope);
    await grant.save();
    return grant;
  },
});
provider.use(async (context, next) => {
  if (!context.path.startsWith('/consent/')) return next();
  context.respond = false;
  await provider.interactionFinished(context.req, context.res, {
    login: { accountId: 'alice' },
    consent: {},
  });
});
provider.on('server_error', (_, problem) => console.error(problem));
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
