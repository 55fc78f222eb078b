// What does the SDK make of a 429, and do the README's settings get everything through?
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, test } = require("node:test");
const { Demo, World, newAccount, patientClient, refused, sids } = require("./support");

const ALLOWED = 150;
// A third of the API's rate, so that a slow machine asks for more than it too.
const FEW = 50;
const WINDOW = 5000;

let demo;
let world;
before(async () => { demo = await Demo.start(); });
after(() => demo.stop());
beforeEach(() => { world = new World(demo); });

/** Calls until it is refused; answers how many calls were not, and why that one was. */
async function untilRefused(call) {
  const begun = performance.now();
  for (let answered = 0; answered <= ALLOWED; answered += 1) {
    try {
      await call();
    } catch (error) {
      assert.ok(performance.now() - begun < WINDOW, "too slow a machine for this test");
      return { answered, message: await refused(20429, () => Promise.reject(error), 429) };
    }
  }
  return assert.fail(`${ALLOWED + 1} were answered`);
}

test("20429: the 151st is refused and says what and how long", async () => {
  const service = await world.service();
  const other = await world.service("other");
  const { answered, message } = await untilRefused(() => service.fetch());
  assert.equal(answered, ALLOWED);
  assert.match(message, /FetchService.*retry after [1-5] s/);
  // Other endpoints and other services have windows of their own.
  assert.deepEqual(await service.sessions.list(), []);
  await other.fetch();
});

test("20429: a refused list is the same exception", async () => {
  const { sessions } = await world.service();
  const { answered, message } = await untilRefused(() => sessions.list());
  assert.equal(answered, ALLOWED);
  assert.match(message, /ListSession/);
});

test("20429: of 170 at once, 150 are answered", async () => {
  const service = await world.service();
  const calls = Array.from({ length: 170 }, () => service.fetch());
  const ended = await Promise.allSettled(calls);
  const errors = ended.filter(({ status }) => status === "rejected");
  assert.equal(errors.length, 20);
  for (const { reason } of errors) await refused(20429, () => Promise.reject(reason), 429);
});

test("with the README's settings eight in turn create 20 each, never above the limit", async () => {
  const config = "upstream: { url: http://127.0.0.1:9 }\nlog: { access: all }\n"
    + "limits: { rate: { requests_per_second: 10 } }\n";
  const own = await Demo.start({ config });
  let log;
  try {
    const { services } = patientClient(own, newAccount()).proxy.v1;
    const { sessions } = services((await services.create({ uniqueName: "patient" })).sid);
    const create = async (_, client) => {
      const made = [];
      for (let number = 0; number < 20; number += 1) {
        made.push((await sessions.create({ uniqueName: `${client}/${number}` })).sid);
      }
      return made;
    };
    const made = (await Promise.all(Array.from({ length: 8 }, create))).flat();
    assert.equal(new Set(made).size, 160);
    const listed = sids(await sessions.list({ pageSize: 100 }));
    assert.deepEqual(listed.sort(), made.sort());
    assert.equal((await own.requests("forwarded")).CreateSession, 160);
    assert.ok((await own.requests("limited")).CreateSession > 0);
  } finally {
    log = await own.stop();
  }
  assert.ok(mostInAWindow(log) <= FEW);
});

/**
 * The most sessions whose creation lies wholly within some 5 s. Each was admitted between its
 * head and the last byte of its answer, so that no more were admitted than there may be if this
 * is no more.
 */
function mostInAWindow(log) {
  const spans = log.trim().split("\n").map((line) => JSON.parse(line))
    .filter((line) => line.endpoint === "CreateSession" && line.decision === "forwarded")
    .map(({ timestamp, duration_us: lasted }) => [
      // A date has milliseconds only; the last three of six digits are added.
      Date.parse(timestamp) + Number(timestamp.slice(23, 26)) / 1000, lasted / 1000,
    ])
    .map(([end, lasted]) => [end - lasted, end]);
  assert.equal(spans.length, 160);
  return Math.max(...spans.map(([begun]) =>
    spans.filter(([start, end]) => start >= begun && end < begun + WINDOW).length));
}
