// The npm package openid-client, over fetch with an Agent of undici: what a client credentials grant throws.
import { createRequire } from "node:module";

import { each, described, read } from "./cases.mjs";

const require = createRequire(new URL("../interop/package.json", import.meta.url));
const { Agent, fetch } = require("undici");
const oauth = await import(require.resolve("openid-client"));

await each(async ({ url, ca, certificate, key, host, body, slow }) => {
  // It composes the request itself.
  if (host || slow) return "";
  const own = certificate ? { cert: read(certificate), key: read(key) } : {};
  const dispatcher = new Agent({ connect: { ca: read(ca), ...own } });
  const server = { issuer: "https://localhost/", token_endpoint: url };
  const { client_id, ...parameters } = Object.fromEntries(new URLSearchParams(body));
  const config = new oauth.Configuration(server, client_id, {}, oauth.TlsClientAuth());
  config[oauth.customFetch] = (target, options) => fetch(target, { ...options, dispatcher });
  if (url.startsWith("http:")) oauth.allowInsecureRequests(config);
  try {
    return JSON.stringify(await oauth.clientCredentialsGrant(config, parameters));
  } catch (error) {
    const { status, error: code, error_description: why } = error;
    const details = code ? `; status ${status}, error ${code}, error_description ${why}` : "";
    // Of a status of 500 and above the cause is the response.
    return described(error) + details + (error.cause?.status ? `; cause ${error.cause.status} ${await error.cause.text()}` : "");
  }
});
process.exit();
