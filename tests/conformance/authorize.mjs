// Has every request of the suite carry our token, for which it has no option:
// those of `fetch` and of undici, and those of `http.request`.
import http from 'node:http';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const authorization = `Bearer ${process.env.BELLJAR_TOKEN}`;

// The one that the suite itself imports.
const undici = createRequire(process.argv[1])('undici');
const authorized = (dispatch) => (options, handler) => {
  const { headers } = options;
  const more = Array.isArray(headers)
    ? [...headers, 'authorization', authorization]
    : { ...headers, authorization };
  return dispatch({ ...options, headers: more }, handler);
};
undici.setGlobalDispatcher(undici.getGlobalDispatcher().compose(authorized));

const { request } = http;
http.request = (...given) => {
  const made = request(...given);
  made.setHeader('authorization', authorization);
  return made;
};
syncBuiltinESMExports();
