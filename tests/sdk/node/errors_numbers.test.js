// Is each error about services, numbers and short codes the SDK's exception of that code?
// A test's name begins with the code; errors_all.test.js compares them with docs/backend.md.
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const {
  ANN, BOB, Demo, NUMBER, OTHER_NUMBER, SHORT_CODE, World, refused,
} = require("./support");

let demo;
let world;
before(async () => { demo = await Demo.start(); });
after(() => demo.stop());
beforeEach(() => { world = new World(demo); });

test("20001: what is required is missing", async () => {
  const message = await refused(20001, () => world.proxy.services.create({ uniqueName: "" }));
  assert.equal(message, "Missing required parameter UniqueName in the post body");
  const service = await world.serviceWithNumber();
  await refused(20001, () => service.phoneNumbers.create());
  const session = await world.session([ANN], { service });
  await refused(20001, () => session.participants.create({ identifier: "" }));
  const { messageInteractions } = await world.participant(session, ANN);
  await refused(20001, () => messageInteractions.create());
});

test("20007: a page size above 1000", async () => {
  await refused(20007, () => world.proxy.services.list({ pageSize: 1001 }));
  await refused(20007, () => world.proxy.services.page({ pageSize: 1001 }));
});

test("80101: the number is in another service's pool", async () => {
  const one = await world.serviceWithNumber("one");
  const other = await world.service("other");
  await refused(80101, () => other.phoneNumbers.create({ phoneNumber: NUMBER }));
  await world.addShortCode(one);
  await refused(80101, () => world.addShortCode(other));
});

test("80104: the number is in this service's pool", async () => {
  const { phoneNumbers } = await world.serviceWithNumber();
  await refused(80104, () => phoneNumbers.create({ phoneNumber: NUMBER }));
});

test("80105: the short code is in this service's pool", async () => {
  const service = await world.service();
  await world.addShortCode(service);
  await refused(80105, () => world.addShortCode(service));
});

test("80201: a short code in a voice-only session", async () => {
  const service = await world.serviceWithNumber();
  await world.addShortCode(service);
  const { participants } = await world.session([], { service, mode: "voice-only" });
  const asked = { identifier: BOB, proxyIdentifierSid: SHORT_CODE };
  await refused(80201, () => participants.create(asked));
});

test("80205: the pool is empty", async () => {
  const service = await world.service();
  await refused(80205, () => world.session([ANN], { service }));
});

test("80206: each number serves the identifier already", async () => {
  const service = await world.serviceWithNumber();
  await world.session([ANN], { service });
  await refused(80206, () => world.session([ANN], { service }));
});

test("80207: no number is unreserved", async () => {
  const service = await world.service();
  await service.phoneNumbers.create({ phoneNumber: NUMBER, isReserved: true });
  await refused(80207, () => world.session([ANN], { service }));
});

test("80303: what should be a short code's SID is none", async () => {
  const service = await world.service();
  await refused(80303, () => world.addShortCode(service, "SCx"));
});

test("80402: the number asked for is the participant's own", async () => {
  const { participants } = await world.session();
  const asked = { identifier: NUMBER, proxyIdentifier: NUMBER };
  await refused(80402, () => participants.create(asked));
});

test("80406: a phone number is not in E.164", async () => {
  const { phoneNumbers } = await world.service();
  for (const phoneNumber of ["4155550000", "+0123", "+1415555000x"]) {
    await refused(80406, () => phoneNumbers.create({ phoneNumber }));
  }
});

test("80407: what should be a number's SID is none", async () => {
  const { phoneNumbers } = await world.service();
  await refused(80407, () => phoneNumbers.create({ sid: "PNx" }));
});

test("80602: the service's name is taken", async () => {
  await world.service("Süß");
  const other = await world.service("other");
  await refused(80602, () => world.service("Süß"));
  await refused(80602, () => other.update({ uniqueName: "Süß" }));
});

test("80604: the number asked for serves the identifier already", async () => {
  const service = await world.serviceWithNumber();
  await world.session([ANN], { service });
  const { participants } = await world.session([], { service });
  const asked = { identifier: ANN, proxyIdentifier: NUMBER };
  await refused(80604, () => participants.create(asked));
});

test("80605: the number asked for is in another service's pool", async () => {
  await (await world.service("one")).phoneNumbers.create({ phoneNumber: OTHER_NUMBER });
  const service = await world.serviceWithNumber("other");
  const { participants } = await world.session([], { service });
  const asked = { identifier: ANN, proxyIdentifier: OTHER_NUMBER };
  await refused(80605, () => participants.create(asked));
});

test("80606: the number asked for is in no pool", async () => {
  const { participants } = await world.session();
  const asked = { identifier: ANN, proxyIdentifier: OTHER_NUMBER };
  await refused(80606, () => participants.create(asked));
});

test("80611: an open session uses the number", async () => {
  const service = await world.serviceWithNumber();
  await world.session([ANN], { service });
  const [number] = await service.phoneNumbers.list();
  assert.equal(number.inUse, 1);
  await refused(80611, () => service.phoneNumbers(number.sid).remove());
});

test("80701: a value that cannot be", async () => {
  const service = await world.service();
  for (const [name, field, value] of [
    ["DefaultTtl", "defaultTtl", -1],
    ["GeoMatchLevel", "geoMatchLevel", "planet"],
    ["NumberSelectionBehavior", "numberSelectionBehavior", "sticky"],
    ["ChatInstanceSid", "chatInstanceSid", "IS123"],
    ["CallbackUrl", "callbackUrl", "https://proxy.twilio.com/v1/Services"],
  ]) {
    const message = await refused(80701, () => service.update({ [field]: value }));
    assert.ok(message.startsWith(`'${name}' is invalid. `), message);
  }
});

test("80501: the cap on resources is reached", async (context) => {
  const full = await Demo.start({ options: ["--max-resources", "2"] });
  context.after(() => full.stop());
  const there = new World(full);
  await there.service("one");
  await there.service("two");
  await refused(80501, () => there.service("three"));
});

test("20500: the error that was asked for", async (context) => {
  const faulty = await Demo.start({ options: ["--error-rate", "100%"] });
  context.after(() => faulty.stop());
  await refused(20500, () => new World(faulty).service(), 500);
});
