// Do the SDK's ways through a long list give each row once, in order, by the gateway's address?
"use strict";

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { Demo, World, refused } = require("./support");

const MANY = 430;
// So many cannot be made within a window of the API's own limit; they are listed within it.
const CONFIG = `
upstream: { url: http://127.0.0.1:9 }
limits:
  overrides:
    - match: { endpoint: CreateSession }
      rate: { requests_per_second: 10000 }
`;
const ROWS = Array.from({ length: MANY }, (_, number) => `Süß 🚕 ${MANY - 1 - number}`);
const names = (sessions) => sessions.map((each) => each.uniqueName);

let demo;
let sessions;
before(async () => {
  demo = await Demo.start({ config: CONFIG });
  ({ sessions } = await new World(demo).service("many"));
  for (const uniqueName of ROWS.toReversed()) await sessions.create({ uniqueName });
});
after(() => demo.stop());

/** What `each` hands out, up to its end. */
function streamed(options) {
  return new Promise((resolve, reject) => {
    const seen = [];
    sessions.each({
      ...options,
      callback: (session) => seen.push(session),
      done: (error) => (error ? reject(error) : resolve(names(seen))),
    });
  });
}

test("list and each give all", async () => {
  assert.deepEqual(names(await sessions.list()), ROWS);
  assert.deepEqual(await streamed({}), ROWS);
  assert.deepEqual(await streamed({ pageSize: 100 }), ROWS);
});

test("a limit ends a list", async () => {
  for (const limit of [1, 50, 51, 210, MANY, 999]) {
    assert.deepEqual(names(await sessions.list({ limit })), ROWS.slice(0, limit), `${limit}`);
  }
  assert.deepEqual(await streamed({ limit: 130, pageSize: 20 }), ROWS.slice(0, 130));
});

test("pages lead both ways and stay on the gateway's address", async () => {
  const pages = [];
  for (let page = await sessions.page({ pageSize: 100 }); page; page = await page.nextPage()) {
    pages.push(page);
    if (page.nextPageUrl) assert.ok(page.nextPageUrl.startsWith(`${demo.url}/v1/Services/`));
  }
  assert.equal(pages.length, 5);
  assert.deepEqual(pages.flatMap((page) => names(page.instances)), ROWS);
  assert.equal(pages[0].previousPage(), undefined);
  const last = pages.at(-1);
  assert.ok(last.previousPageUrl.startsWith(`${demo.url}/v1/Services/`));
  const fourth = await last.previousPage();
  assert.deepEqual(names(fourth.instances), ROWS.slice(300, 400));
  const third = await fourth.previousPage();
  assert.deepEqual(names(third.instances), ROWS.slice(200, 300));
});

test("a kept address leads to its page", async () => {
  const { nextPageUrl } = await sessions.page({ pageSize: 30 });
  assert.deepEqual(names((await sessions.getPage(nextPageUrl)).instances), ROWS.slice(30, 60));
});

test("a page has 100 rows at most", async () => {
  assert.equal((await sessions.page({ pageSize: 1000 })).instances.length, 100);
  assert.equal((await sessions.page()).instances.length, 50);
  await refused(20007, () => sessions.list({ pageSize: 1001 }));
});

test("what is added or deleted between two pages moves no row", async () => {
  const service = await new World(demo).service();
  const made = [];
  for (let number = 0; number < 40; number += 1) {
    made.push(await service.sessions.create({ uniqueName: `${number}` }));
  }
  const first = await service.sessions.page({ pageSize: 20 });
  await service.sessions.create({ uniqueName: "late" });
  await service.sessions(made[25].sid).remove();
  const second = await first.nextPage();
  const seen = [...first.instances, ...second.instances].map((each) => Number(each.uniqueName));
  assert.deepEqual(seen, Array.from({ length: 40 }, (_, number) => 39 - number));
});
