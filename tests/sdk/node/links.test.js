// Does each page come through the gateway, where the backend's links lead to the backend?
"use strict";

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { Demo, World } = require("./support");

// By its own address the backend is told who it is, so its links lead there.
const config = (more) => `upstream: { url: http://127.0.0.1:9, host: upstream${more} }\n`;

let demo;
before(async () => { demo = await Demo.start({ config: config("") }); });
after(() => demo.stop());

test("with a public URL the links lead through the gateway", async () => {
  const service = await new World(demo).service();
  const made = [];
  for (let number = 0; number < 55; number += 1) {
    made.unshift((await service.sessions.create({ uniqueName: `${number}` })).sid);
  }
  const sids = (sessions) => sessions.map((each) => each.sid);
  const count = async () => (await demo.requests("forwarded")).ListSession ?? 0;

  /** The pages that the gateway had to answer for a whole list. */
  async function listed() {
    const already = await count();
    assert.deepEqual(sids(await service.sessions.list({ pageSize: 20 })), made);
    return (await count()) - already;
  }

  assert.equal(await listed(), 1, "the others were asked of the backend");
  await demo.reload(config(`, public_url: '${demo.url}'`));
  assert.equal(await listed(), 3);

  const found = await service.fetch();
  for (const link of [found.url, ...Object.values(found.links)]) {
    assert.ok(link.startsWith(`${demo.url}/v1/Services/${found.sid}`), link);
  }
  const first = await service.sessions.page({ pageSize: 50 });
  const last = await first.nextPage();
  assert.deepEqual(sids(last.instances), made.slice(50));
  assert.deepEqual(sids((await last.previousPage()).instances), made.slice(0, 50));
});
