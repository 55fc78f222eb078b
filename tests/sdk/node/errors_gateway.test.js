// Is what the gateway refuses by itself the SDK's exception, and does it say what is wrong?
// Rates are in rate.test.js. Codes that a name begins with are compared with docs/backend.md.
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const { ANN, Demo, World, form, newAccount, refused } = require("./support");

const address = (length) => "https://example.org/".padEnd(length, "a");
const lower = (name) => name[0].toLowerCase() + name.slice(1);

// The table of lengths, by operation: name, length, and a value that is so long.
const SERVICE_FIELDS = [
  ["UniqueName", 191, (length) => "🚕".repeat(length)],
  ["CallbackUrl", 4000, address],
  ["InterceptCallbackUrl", 4000, address],
  ["OutOfSessionCallbackUrl", 4000, address],
];
const PARTICIPANT_FIELDS = [
  ["FriendlyName", 255, (length) => "ü".repeat(length)],
  ["Identifier", 191, (length) => "messenger:".padEnd(length, "a")],
  ["ProxyIdentifier", 255, (length) => "+1".padEnd(length, "0")],
];

let demo;
let world;
before(async () => { demo = await Demo.start(); });
after(() => demo.stop());
beforeEach(() => { world = new World(demo); });

async function invalid(name, call) {
  const message = await refused(80701, call);
  assert.ok(message.startsWith(`'${name}' is invalid. `), message);
}

for (const [name, limit, value] of SERVICE_FIELDS) {
  test(`80701: a service's ${name} is longer than it may be`, async () => {
    const { services } = world.proxy;
    const changed = await world.service("changed");
    const field = lower(name);
    const fits = { uniqueName: "made", [field]: value(limit) };
    const longer = { uniqueName: "made", [field]: value(limit + 1) };
    const made = await services.create(fits);
    assert.equal(made[field], value(limit));
    await services(made.sid).remove();
    await invalid(name, () => services.create(longer));
    await changed.update({ [field]: value(limit) });
    await invalid(name, () => changed.update({ [field]: value(limit + 1) }));
  });
}

test("80701: a session's name is longer than it may be", async () => {
  const { sessions } = await world.service();
  const uniqueName = "🚕".repeat(191);
  assert.equal((await sessions.create({ uniqueName })).uniqueName, uniqueName);
  await invalid("UniqueName", () => sessions.create({ uniqueName: "🚕".repeat(192) }));
});

test("80701: a ttl is out of range", async () => {
  const service = await world.service();
  const session = await world.session([], { service });
  for (const ttl of [1, 2147483646]) {
    assert.equal((await service.sessions.create({ ttl })).ttl, ttl);
    assert.equal((await session.update({ ttl })).ttl, ttl);
  }
  for (const ttl of [0, 2147483647, -1]) {
    await invalid("Ttl", () => service.sessions.create({ ttl }));
    await invalid("Ttl", () => session.update({ ttl }));
  }
});

for (const [name, limit, value] of PARTICIPANT_FIELDS) {
  test(`80701: a participant's ${name} is longer than it may be`, async () => {
    const service = await world.serviceWithNumber();
    const session = await world.session([], { service });
    const alone = { identifier: ANN, [lower(name)]: value(limit + 1) };
    await invalid(name, () => session.participants.create(alone));
    const participants = [{ Identifier: ANN, [name]: value(limit + 1) }];
    await invalid(`Participants[0].${name}`, () => service.sessions.create({ participants }));
    const fits = { identifier: ANN, [lower(name)]: value(limit) };
    if (name === "ProxyIdentifier") {
      // The gateway lets 255 characters pass, and the backend has no such number.
      await refused(80606, () => session.participants.create(fits));
    } else {
      assert.equal((await session.participants.create(fits))[lower(name)], value(limit));
    }
  });
}

test("20413: a body is larger than it may be", async () => {
  const service = await world.service();
  await refused(20413, () => service.update({ callbackUrl: address(256 * 1024) }));
});

test("20003: no password and no user that can be", async () => {
  const wrong = demo.client(world.account, "wrong").proxy.v1.services;
  await refused(20003, () => wrong.create({ uniqueName: "x" }), 401);
  await refused(20003, () => wrong.list(), 401);
  const options = { accountSid: world.account };
  const nobody = demo.client(`XX${"0".repeat(32)}`, "demo", options).proxy.v1.services;
  await refused(20003, () => nobody.create({ uniqueName: "x" }), 401);
});

test("20004: a path has not this method", async () => {
  for (const method of ["put", "patch", "delete"]) {
    await refused(20004, () => world.proxy.fetch({ uri: "/Services", method }), 405);
  }
});

test("20404: what is not there", async () => {
  const zeros = "0".repeat(32);
  const service = await world.service();
  const session = await world.session([], { service });
  for (const absent of [
    world.proxy.services(`KS${zeros}`),
    world.proxy.services("no such name"),
    service.sessions(`KC${zeros}`),
    service.phoneNumbers(`PN${zeros}`),
    session.participants(`KP${zeros}`),
    session.interactions(`KI${zeros}`),
  ]) {
    await refused(20404, () => absent.fetch(), 404);
  }
});

test("20404: what is no path of the API", async () => {
  await refused(20404, () => world.proxy.fetch({ uri: "/Nothing", method: "get" }), 404);
  // The hosted API has codes for these; the gateway knows them for no operation.
  const service = await world.service();
  const session = await world.session([], { service });
  for (const absent of [
    session.participants("x"), session.interactions("x"), service.phoneNumbers("x"),
  ]) {
    await refused(20404, () => absent.fetch(), 404);
  }
});

test("20404: another account's service", async () => {
  const service = await world.service();
  const { sid } = await service.fetch();
  const stranger = demo.client(newAccount()).proxy.v1.services(sid);
  await refused(20404, () => stranger.fetch(), 404);
  await refused(20404, () => stranger.remove(), 404);
  await refused(20404, () => stranger.sessions.create(), 404);
  assert.equal((await service.fetch()).sid, sid);
});

test("an API key acts for its account", async () => {
  const { sid } = await (await world.service()).fetch();
  const options = { accountSid: world.account };
  const key = demo.client(`SK${world.account.slice(2)}`, "secret", options);
  assert.equal((await key.proxy.v1.services(sid).fetch()).accountSid, world.account);
  const other = demo.client(`SK${"f".repeat(32)}`, "secret", options);
  await refused(20404, () => other.proxy.v1.services(sid).fetch(), 404);
});

test("20415: a body is no form", async () => {
  const request = form("/Services", { UniqueName: "x" });
  request.headers = { "Content-Type": "application/json" };
  await refused(20415, () => world.proxy.create(request), 415);
});

test("20400: a body is where none belongs", async () => {
  const request = form("/Services", { UniqueName: "x" }, "get");
  await refused(20400, () => world.proxy.fetch(request));
});

test("20503: more are under way than may be", async (context) => {
  const config = "upstream: {url: http://127.0.0.1:9}\nlimits: {in_flight: {total: 1}}\n";
  const slow = await Demo.start({ config, options: ["--latency", "300ms"] });
  context.after(() => slow.stop());
  const { services } = new World(slow).proxy;
  const calls = Array.from({ length: 8 }, (_, number) =>
    services.create({ uniqueName: `${number}` }).then(() => "made", (error) => error));
  const refusals = (await Promise.all(calls)).filter((answer) => answer !== "made");
  assert.ok(refusals.length > 0 && refusals.length < 8, `${refusals.length} of 8`);
  for (const refusal of refusals) await refused(20503, () => Promise.reject(refusal), 503);
});
