// What does npm's acme-client see? Registers with EAB, orders over http-01, revokes.
// node client.js JSON, with {directory, kid, hmacKey, wrongKey, webRoot, names}; prints one JSON object.
'use strict';

const fs = require('fs');
const path = require('path');
const acme = require('acme-client');

async function main(given) {
  const seen = {};
  const accountKey = await acme.crypto.createPrivateEcdsaKey();
  const wrong = new acme.Client({
    directoryUrl: given.directory,
    accountKey: await acme.crypto.createPrivateEcdsaKey(),
    externalAccountBinding: { kid: given.kid, hmacKey: given.wrongKey },
  });
  seen.wrongKey = await wrong.createAccount({ termsOfServiceAgreed: true })
    .then(() => '', (error) => error.message);

  const client = new acme.Client({
    directoryUrl: given.directory,
    accountKey,
    externalAccountBinding: { kid: given.kid, hmacKey: given.hmacKey },
    backoffMin: 200,
    backoffMax: 2000,
  });
  const file = (token) => path.join(given.webRoot, token);
  const options = {
    email: 'a@example.com',
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: ['http-01'],
    challengeCreateFn: async (_authz, challenge, text) => fs.writeFileSync(file(challenge.token), text),
    challengeRemoveFn: async (_authz, challenge) => fs.unlinkSync(file(challenge.token)),
  };
  const [, csr] = await acme.crypto.createCsr({ altNames: given.names });
  seen.rsa = await client.auto({ ...options, csr });
  const [, ecCsr] = await acme.crypto.createCsr(
    { altNames: given.names.slice(0, 1) }, await acme.crypto.createPrivateEcdsaKey());
  seen.ecdsa = await client.auto({ ...options, csr: ecCsr });

  await client.updateAccountKey(await acme.crypto.createPrivateEcdsaKey());
  seen.account = (await client.updateAccount({ contact: ['mailto:b@example.com'] })).status;
  await client.revokeCertificate(seen.ecdsa, { reason: 1 });
  await client.updateAccount({ status: 'deactivated' });
  seen.afterwards = await client.createOrder({ identifiers: [{ type: 'dns', value: given.names[0] }] })
    .then(() => '', (error) => error.message);
  return seen;
}

main(JSON.parse(process.argv[2])).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => { console.error(error); process.exit(1); },
);
