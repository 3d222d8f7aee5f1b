// A real authorization server on a port of this machine. Its first line says which
// issuer it is. Tokens are for the resource in its first argument, and have the
// algorithm in its second.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

const [resource, algorithm] = process.argv.slice(2);
const key = (type, options, alg) => {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `key-${alg}` };
};
const keys = [
  key('rsa', { modulusLength: 2048 }, 'RS256'),
  key('rsa', { modulusLength: 2048 }, 'PS256'),
  key('ec', { namedCurve: 'P-256' }, 'ES256'),
  key('ed25519', {}, 'EdDSA'),
];
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'a-client',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1:1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }],
    jwks: { keys },
    cookies: { keys: ['of a test'] },
    scopes: ['openid', 'offline_access', 'sandbox:read', 'sandbox:execute', 'sandbox:admin'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_, indicator) => {
          if (indicator !== resource && !indicator.startsWith('https://other.example/')) throw new errors.InvalidTarget();
          return {
            scope: 'sandbox:read sandbox:execute sandbox:admin',
            audience: indicator,
            accessTokenFormat: 'jwt',
            accessTokenTTL: 600,
            jwt: { sign: { alg: algorithm } },
          };
        },
      },
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
