// A receiver of callbacks that trusts nothing of the tracker's: it verifies each with Standard Webhooks' own npm
// package (or, for ed25519, which that does not know, with Node's own crypto). It answers 204 to what it verified,
// 400 to anything else.
//
// It speaks on standard input and output as tests/receivers/python/receiver.py does, and reads JSON only.

"use strict";

const crypto = require("node:crypto");
const http = require("node:http");
const readline = require("node:readline");
const { Webhook } = require("standardwebhooks");

const PUBLIC = "whpk_";
// How old a callback may be, in seconds: what Standard Webhooks recommends.
const TOLERANCE = 300;
// What stands before the 32 bytes of an ed25519 key in its DER form (RFC 8410).
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

const hooks = new Map();

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

// Gives what was verified, or throws what is wrong with it.
function verify(key, body, headers) {
  if (!key.startsWith(PUBLIC)) {
    return new Webhook(key).verify(body, headers);
  }
  const der = Buffer.concat([SPKI, Buffer.from(key.slice(PUBLIC.length), "base64")]);
  const publicKey = crypto.createPublicKey({ key: der, format: "der", type: "spki" });
  const timestamp = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE)) {
    throw new Error("it is of another time");
  }
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${timestamp}.`), body]);
  const signatures = headers["webhook-signature"].split(" ").map((signature) => signature.split(","));
  const isGood = ([version, encoded]) =>
    version === "v1a" && crypto.verify(null, signed, publicKey, Buffer.from(encoded, "base64"));
  if (!signatures.some(isGood)) {
    throw new Error("no signature is this key's");
  }
  return JSON.parse(body.toString());
}

async function receive(request, response) {
  const pieces = [];
  for await (const piece of request) {
    pieces.push(piece);
  }
  const heard = { path: request.url, id: request.headers["webhook-id"] };
  try {
    const key = hooks.get(request.url);
    if (request.method !== "POST" || key === undefined) {
      throw new Error(`${request.method} ${request.url} is no hook`);
    }
    heard.taken = verify(key, Buffer.concat(pieces), request.headers);
  } catch (error) {
    heard.refused = `${error.name}: ${error.message}`;
  }
  say(heard);
  response.writeHead("taken" in heard ? 204 : 400, { "content-length": "0" }).end();
}

const server = http.createServer((request, response) => {
  // A request that is cut off is its sender's to make again.
  receive(request, response).catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => say({ listening: server.address().port }));

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const hook = JSON.parse(line);
    hooks.set(hook.path, hook.key);
    say({ knows: hook.path });
  })
  .on("close", () => process.exit());
