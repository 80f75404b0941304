// Node's own fetch, which cannot present a certificate.
import { each } from "./cases.mjs";

await each(async ({ url, body }) => {
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(body) });
  return `${answer.status} ${await answer.text()}`;
});
process.exit();
