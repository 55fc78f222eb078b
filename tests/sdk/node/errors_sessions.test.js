// Is each error about sessions and participants the SDK's exception of that code?
// A test's name begins with the code; errors_all.test.js compares them with docs/backend.md.
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const { ANN, BOB, CARL, Demo, World, form, refused } = require("./support");

let demo;
let world;
before(async () => { demo = await Demo.start(); });
after(() => demo.stop());
beforeEach(() => { world = new World(demo); });

test("80102: who was deleted and has spoken does not come back", async () => {
  const session = await world.session([ANN, BOB]);
  const bob = await world.participant(session, BOB);
  await bob.messageInteractions.create({ body: "hi" });
  await bob.remove();
  await refused(80102, () => session.participants.create({ identifier: BOB }));
});

test("80103: who is there or was deleted does not come again", async () => {
  const session = await world.session([ANN]);
  await refused(80103, () => session.participants.create({ identifier: ANN }));
  await (await world.participant(session, ANN)).remove();
  await refused(80103, () => session.participants.create({ identifier: ANN }));
});

test("80202: a message in a voice-only session", async () => {
  const session = await world.session([ANN], { mode: "voice-only" });
  const { messageInteractions } = await world.participant(session, ANN);
  await refused(80202, () => messageInteractions.create({ body: "hi" }));
});

test("80404: an identifier that is neither number nor address", async () => {
  const { participants } = await world.session();
  for (const identifier of ["Ann", "+", "messenger:"]) {
    await refused(80404, () => participants.create({ identifier }));
  }
});

test("80603: the session's name is taken", async () => {
  const { sessions } = await world.service();
  const { sid } = await sessions.create({ uniqueName: "ördér" });
  await refused(80603, () => sessions.create({ uniqueName: "ördér" }));
  await sessions(sid).update({ status: "closed" });
  await refused(80603, () => sessions.create({ uniqueName: "ördér" }));
});

test("80607: a closed session takes nothing", async () => {
  const session = await world.session([ANN]);
  const { messageInteractions } = await world.participant(session, ANN);
  await session.update({ status: "closed" });
  await refused(80607, () => session.participants.create({ identifier: BOB }));
  await refused(80607, () => messageInteractions.create({ body: "hi" }));
  await refused(80607, () => session.update({ ttl: 5 }));
});

test("80608: a status that cannot follow", async () => {
  const session = await world.session();
  await session.update({ status: "closed" });
  await refused(80608, () => session.update({ status: "open" }));
  const { sessions } = await world.service("other");
  await refused(80608, () => sessions.create({ status: "closed" }));
});

test("80609: a third participant", async () => {
  const service = await world.serviceWithNumber();
  await refused(80609, () => world.session([ANN, BOB, CARL], { service }));
  assert.deepEqual(await service.sessions.list(), []);
  const { participants } = await world.session([ANN, BOB], { service });
  await refused(80609, () => participants.create({ identifier: CARL }));
});

test("80616: an address in a voice-only session", async () => {
  await refused(80616, () => world.session(["messenger:ann"], { mode: "voice-only" }));
});

test("80623: a conflict that older clients asked to be told of", async () => {
  const service = await world.serviceWithNumber();
  const session = await world.session([ANN], { service });
  const { serviceSid, sid } = await session.update({ status: "closed" });
  await world.session([ANN], { service });
  // This SDK does not send the parameter any more.
  const data = { Status: "in-progress", FailOnParticipantConflict: "true" };
  const again = form(`/Services/${serviceSid}/Sessions/${sid}`, data);
  await refused(80623, () => world.proxy.update(again), 409);
});

test("80701: a value that cannot be", async () => {
  const { sessions } = await world.service();
  for (const [name, field, value] of [
    ["Mode", "mode", "telepathy"],
    ["Status", "status", "asleep"],
    ["Ttl", "ttl", "abc"],
    ["DateExpiry", "dateExpiry", new Date("2001-01-01T00:00:00Z")],
    ["DateExpiry", "dateExpiry", "tomorrow"],
    ["Participants[0]", "participants", ["Identifier"]],
  ]) {
    const message = await refused(80701, () => sessions.create({ [field]: value }));
    assert.ok(message.startsWith(`'${name}' is invalid. `), message);
  }
  assert.deepEqual(await sessions.list(), []);
});

test("80801: a session is not reopened into a conflict", async () => {
  const service = await world.serviceWithNumber();
  const session = await world.session([ANN], { service });
  await session.update({ status: "closed" });
  const other = await world.session([ANN], { service });
  await refused(80801, () => session.update({ status: "in-progress" }));
  await other.remove();
  assert.equal((await session.update({ status: "in-progress" })).status, "in-progress");
});
