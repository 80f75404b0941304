// A browser, as far as an authorization request needs one: it follows redirects and keeps cookies.

import { REDIRECT_URI } from './provider.mjs';

const HOPS = 10;

/**
 * Goes to `url` at the edge, by POST where there is a `form`, until the server sends it to the application or answers
 * otherwise; `until` is where the application is. Resolves to `{ callback }`, the URL at the application, or `{ response }`.
 */
export async function browse({ url, form, fetch, origin, until = REDIRECT_URI }) {
  const cookies = new Map();
  let at = new URL(url);
  let request = form ? { method: 'POST', body: new URLSearchParams(form) } : {};
  for (let hop = 0; hop < HOPS; hop += 1) {
    const response = await fetch(new URL(at.pathname + at.search, origin), {
      ...request,
      redirect: 'manual',
      headers: cookies.size ? { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') } : {},
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (!location) return { response };
    await response.arrayBuffer();
    at = new URL(location, at);
    if (at.href.startsWith(until)) return { callback: at };
    request = {};
  }
  throw new Error(`more than ${HOPS} redirects, the last to ${at}`);
}
