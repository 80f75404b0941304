// fetch with an Agent of the npm package undici, which presents the certificate.
import { createRequire } from "node:module";

import { each, read, slowly } from "./cases.mjs";

const { Agent, fetch } = createRequire(new URL("../interop/package.json", import.meta.url))("undici");

await each(async ({ url, ca, certificate, key, host, body, slow }) => {
  // It sends the URL's.
  if (host) return "";
  const own = certificate ? { cert: read(certificate), key: read(key) } : {};
  const dispatcher = new Agent({ connect: { ca: read(ca), ...own } });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const sent = slow ? { body: slowly(body), duplex: "half" } : { body };
  const answer = await fetch(url, { method: "POST", headers, dispatcher, ...sent });
  return `${answer.status} ${await answer.text()}`;
});
process.exit();
