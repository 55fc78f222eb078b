// Does every operation of the SDK work through the gateway, and are its answers as it reads them?
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const {
  ANN, BOB, CARL, Demo, NUMBER, OTHER_NUMBER, World, refused, sids,
} = require("./support");

const NAME = "Süß 🚕 #1/2? 100% 漢字";
const OPERATIONS = {
  Service: ["List", "Create", "Fetch", "Update", "Delete"],
  Session: ["List", "Create", "Fetch", "Update", "Delete"],
  PhoneNumber: ["List", "Create", "Fetch", "Update", "Delete"],
  Participant: ["List", "Create", "Fetch", "Delete"],
  Interaction: ["List", "Fetch", "Delete"],
  MessageInteraction: ["List", "Create", "Fetch"],
};

let demo;
let world;
before(async () => { demo = await Demo.start(); });
after(() => demo.stop());
beforeEach(() => { world = new World(demo); });

test("services", async () => {
  const { services } = world.proxy;
  const made = await services.create({
    uniqueName: NAME,
    defaultTtl: 0,
    callbackUrl: "https://example.org/cb?a=1&b=2",
    geoMatchLevel: "area-code",
    numberSelectionBehavior: "avoid-sticky",
  });
  assert.match(made.sid, /^KS[0-9a-f]{32}$/);
  assert.deepEqual([made.accountSid, made.uniqueName], [world.account, NAME]);
  assert.equal(made.callbackUrl, "https://example.org/cb?a=1&b=2");
  assert.equal(made.geoMatchLevel, "area-code");
  assert.ok(made.dateCreated instanceof Date && !Number.isNaN(made.dateCreated.getTime()));
  assert.equal(made.url, `${demo.url}/v1/Services/${made.sid}`);
  assert.deepEqual(Object.keys(made.links).sort(), ["phone_numbers", "sessions"]);

  const service = services(made.sid);
  const changed = await service.update({ defaultTtl: 60, uniqueName: "plain" });
  assert.deepEqual([changed.defaultTtl, changed.uniqueName], [60, "plain"]);
  assert.equal(changed.callbackUrl, made.callbackUrl);
  // A null goes out as an empty value, which unsets an address.
  assert.equal((await service.update({ callbackUrl: null })).callbackUrl, null);
  assert.equal((await services("plain").fetch()).sid, made.sid);
  assert.deepEqual(sids(await services.list()), [made.sid]);
  assert.equal(await service.remove(), true);
  assert.deepEqual(await services.list(), []);
});

test("phone numbers", async () => {
  const numbers = (await world.service()).phoneNumbers;
  const made = await numbers.create({ phoneNumber: NUMBER, isReserved: true });
  assert.match(made.sid, /^PN[0-9a-f]{32}$/);
  assert.deepEqual([made.phoneNumber, made.isoCountry], [NUMBER, "US"]);
  assert.deepEqual([made.isReserved, made.inUse, made.capabilities.sms], [true, 0, true]);
  assert.equal((await numbers(made.sid).update({ isReserved: false })).isReserved, false);
  assert.equal((await numbers(made.sid).fetch()).phoneNumber, NUMBER);
  const bySid = await numbers.create({ sid: `PN${"ab".repeat(16)}` });
  assert.deepEqual(sids(await numbers.list()), [bySid.sid, made.sid]);
  assert.equal(await numbers(made.sid).remove(), true);
  assert.deepEqual(sids(await numbers.list()), [bySid.sid]);
});

test("sessions", async () => {
  const service = await world.serviceWithNumber();
  const dateExpiry = new Date("2040-01-02T03:04:05Z");
  const made = await service.sessions.create({
    uniqueName: "ördér 1",
    ttl: 3600,
    mode: "voice-and-message",
    dateExpiry,
    participants: [{ Identifier: ANN, FriendlyName: "Änn" }, { Identifier: BOB }],
  });
  assert.match(made.sid, /^KC[0-9a-f]{32}$/);
  assert.deepEqual([made.status, made.ttl, made.mode], ["open", 3600, "voice-and-message"]);
  assert.deepEqual(made.dateExpiry, dateExpiry);
  assert.deepEqual(Object.keys(made.links).sort(), ["interactions", "participants"]);
  assert.equal((await service.sessions("ördér 1").fetch()).sid, made.sid);
  assert.deepEqual(sids(await service.sessions.list()), [made.sid]);
  const session = service.sessions(made.sid);
  const closed = await session.update({ status: "closed" });
  assert.deepEqual([closed.status, closed.closedReason], ["closed", "api"]);
  assert.ok(closed.dateEnded instanceof Date);
  assert.equal((await session.update({ status: "in-progress" })).closedReason, "");
  assert.equal(await session.remove(), true);
  assert.deepEqual(await service.sessions.list(), []);
});

test("participants and their messages", async () => {
  const session = await world.session();
  const ann = await session.participants.create({ identifier: ANN, friendlyName: "Änn 🚕" });
  await session.participants.create({ identifier: BOB });
  assert.match(ann.sid, /^KP[0-9a-f]{32}$/);
  assert.deepEqual([ann.identifier, ann.friendlyName], [ANN, "Änn 🚕"]);
  assert.deepEqual([ann.proxyIdentifier, ann.dateDeleted], [NUMBER, null]);
  const participant = session.participants(ann.sid);
  assert.equal((await participant.fetch()).proxyIdentifierSid, ann.proxyIdentifierSid);
  const identifiers = async () =>
    (await session.participants.list()).map((each) => each.identifier);
  assert.deepEqual(await identifiers(), [BOB, ANN]);

  const messages = participant.messageInteractions;
  const mediaUrl = ["http://a/b", "http://c/d"];
  const message = await messages.create({ body: "hallo Ü 🚕", mediaUrl });
  assert.match(message.sid, /^KI[0-9a-f]{32}$/);
  assert.deepEqual([message.type, message.participantSid], ["message", ann.sid]);
  assert.ok(message.data.includes("hallo Ü 🚕"));
  assert.equal((await messages(message.sid).fetch()).sid, message.sid);
  assert.deepEqual(sids(await messages.list()), [message.sid]);

  const interaction = session.interactions(message.sid);
  assert.equal((await interaction.fetch()).type, "message");
  assert.deepEqual(sids(await session.interactions.list()), [message.sid]);
  assert.equal((await session.fetch()).status, "in-progress");
  assert.equal(await interaction.remove(), true);
  assert.deepEqual([await session.interactions.list(), await messages.list()], [[], []]);
  assert.equal(await participant.remove(), true);
  assert.deepEqual(await identifiers(), [BOB]);
  await session.participants.create({ identifier: CARL });
});

test("a service's end is that of all in it", async () => {
  const service = await world.serviceWithNumber();
  const session = await world.session([ANN, BOB], { service });
  assert.equal(await service.remove(), true);
  await refused(20404, () => session.fetch(), 404);
  await world.serviceWithNumber("the number is free again");
});

test("statuses and headers are the API's", async () => {
  const { services } = world.proxy;
  const made = await services.createWithHttpInfo({ uniqueName: "one" });
  const service = services(made.body.sid);
  const fetched = await service.fetchWithHttpInfo();
  const changed = await service.updateWithHttpInfo({ defaultTtl: 5 });
  const removed = await service.removeWithHttpInfo();
  const statuses = [made, fetched, changed, removed].map((each) => each.statusCode);
  assert.deepEqual(statuses, [201, 200, 200, 204]);
  assert.match(fetched.headers["twilio-request-id"], /^RQ[0-9a-f]{32}$/);
  assert.equal(fetched.headers["content-type"], "application/json;charset=utf-8");
});

test("the gateway knows each operation by its name", async (context) => {
  const own = await Demo.start();
  context.after(() => own.stop());
  const { proxy } = (world = new World(own));
  const service = await world.service();
  const number = await service.phoneNumbers.create({ phoneNumber: NUMBER });
  const other = await service.phoneNumbers.create({ phoneNumber: OTHER_NUMBER });
  const session = await world.session([ANN], { service });
  const bob = session.participants((await session.participants.create({ identifier: BOB })).sid);
  const message = await bob.messageInteractions.create({ body: "hi" });
  await bob.messageInteractions(message.sid).fetch();
  const interaction = session.interactions(message.sid);
  for (const listing of [
    proxy.services, service.phoneNumbers, service.sessions,
    session.participants, session.interactions, bob.messageInteractions,
  ]) {
    assert.ok((await listing.list()).length >= 1);
  }
  await service.update({ defaultTtl: 9 });
  await session.update({ ttl: 9 });
  const numbers = [number, other].map((each) => service.phoneNumbers(each.sid));
  await numbers[0].update({ isReserved: false });
  for (const each of [service, numbers[0], session, bob, interaction]) await each.fetch();
  for (const each of [interaction, bob, session, ...numbers, service]) {
    assert.equal(await each.remove(), true);
  }
  const expected = Object.entries(OPERATIONS)
    .flatMap(([resource, verbs]) => verbs.map((verb) => verb + resource));
  assert.equal(expected.length, 25);
  assert.deepEqual(Object.keys(await own.requests("forwarded")).sort(), expected.sort());
});
