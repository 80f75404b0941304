// What an application sees of a refusal.

import assert from 'node:assert/strict';

/** `promise` of a client library fails with an error as RFC 6749 section 5.2 writes it. */
export async function assertRefused(promise, { status = 401, error = 'invalid_client' } = {}) {
  const reason = await promise.then(
    () => assert.fail('the request was accepted'),
    (thrown) => thrown,
  );
  // Anything but a JSON body with an `error`, or a challenge, would have become another class of error in the library.
  assert.match(reason.name, /^(ResponseBodyError|WWWAuthenticateChallengeError)$/, reason.stack);
  const challenged = reason.name === 'WWWAuthenticateChallengeError';
  const body = challenged ? await reason.response.json() : { error: reason.error, error_description: reason.error_description };
  assert.deepEqual({ status: reason.status, error: body.error }, { status, error }, body.error_description);
  assert.match(reason.response.headers.get('content-type'), /^application\/json\b/);
  assert.equal(reason.response.headers.get('cache-control'), 'no-store');
  assert.ok(body.error_description);
}
