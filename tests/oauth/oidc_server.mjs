// An OAuth 2.1 authorisation server that this project did not write, on loopback: oidc-provider, by its own rules.
//
//     node oidc_server.mjs --port 9876 --redirect-uri http://127.0.0.1:8000/oauth/callback/ [--access-ttl 1800] ...
//
// PKCE with S256 is required, the redirect address is compared exactly, a code and a refresh token work once, each
// refresh gives a new refresh token, and the use of an old one revokes the whole grant, as does RFC 7009's revocation.
// Any login is let in. Prints `READY <issuer>` when it answers.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    'redirect-uri': { type: 'string' },
    'client-id': { type: 'string', default: 'keepsync' },
    'client-secret': { type: 'string', default: 'keepsync-secret' },
    // Separated by spaces, besides `openid`.
    scopes: { type: 'string', default: 'base contacts:full activities:full' },
    // Seconds that an access token works.
    'access-ttl': { type: 'string', default: '1800' },
  },
});
const issuer = `http://127.0.0.1:${options.port}`;
const HOUR = 3600;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: options['client-id'],
      client_secret: options['client-secret'],
      redirect_uris: [options['redirect-uri']],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  scopes: ['openid', ...options.scopes.split(' ')],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (context, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: Number(options['access-ttl']),
    AuthorizationCode: 60,
    Grant: 24 * HOUR,
    IdToken: HOUR,
    Interaction: HOUR,
    RefreshToken: 24 * HOUR,
    Session: HOUR,
  },
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  cookies: { keys: ['only for tests'] },
});

createServer(provider.callback()).listen(Number(options.port), '127.0.0.1', () => console.log(`READY ${issuer}`));
