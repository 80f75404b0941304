// A request to the server itself, around the edge, with any certificate and any headers.

import { request } from 'node:https';

/** Posts `form` to `url` on a connection of its own; resolves to `{ status, body }`. */
export function requestDirectly({ url, serverCa, certificate, headers, form }) {
  return new Promise((done, fail) => {
    const body = new URLSearchParams(form).toString();
    const sent = request(url, {
      method: 'POST',
      agent: false,
      ca: serverCa.pem,
      ...(certificate && { cert: certificate.pem, key: certificate.key }),
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length, ...headers },
    }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
      response.on('end', () => done({ status: response.statusCode, body: text })).on('error', fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}
