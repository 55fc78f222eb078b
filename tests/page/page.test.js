"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { after, before, test } = require("node:test");
const { CONFIG, Demo, NUMBERS, Redis, launch, open, shoot } = require("./support.js");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let browser;
let demo;

before(async () => {
  [browser, demo] = await Promise.all([launch(), Demo.start()]);
  demo.load();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** The cells of a table's rows. */
async function table(page, id) {
  return page.locator(`#${id} tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
}

/** Waits until the page says something. */
async function says(page, id, pattern) {
  await page.waitForFunction(([where, source]) =>
    new RegExp(source).test(document.getElementById(where).textContent), [id, pattern.source]);
}

const digits = (text) => Number(text.replace(/[^0-9.]/g, ""));

test("it shows the load: windows, services, refusals, pools, upstream and configuration", async () => {
  const { page, faults } = await open(browser, demo);
  const [shop, taxi] = demo.services;
  await says(page, "windows", new RegExp(`${shop}ListSession.* of 150`));
  for (const service of [shop, taxi]) await says(page, "refused", new RegExp(service));
  await says(page, "refusals", /rate/);
  await says(page, "pools", /3 of 4/);
  const listed = (await table(page, "windows")).find((row) => row[0] === shop && row[1] === "ListSession");
  assert.ok(digits(listed[3].split(" of ")[1]) > 0, JSON.stringify(listed));
  assert.ok((await table(page, "refusals")).some(([limit, , all]) => limit === "rate" && digits(all) > 0));
  assert.deepEqual((await table(page, "pools"))[0], [shop, "unreserved", "", "3 of 4"]);
  await says(page, "upstream", /half within [0-9.]+ ms/);
  await says(page, "policy", /30 a second on the average of 5 s: 150 in any 5 s, enforce/);
  await says(page, "store", /counts for itself/);
  assert.equal(await page.locator("#state").textContent(), "ready");
  assert.deepEqual(faults, []);
  await shoot(page, "light-1280");
  await page.context().close();
});

test("what it shows are the numbers of /metrics", async () => {
  await demo.rest();
  const { page } = await open(browser, demo);
  for (const decision of ["forwarded", "limited", "unroutable"]) {
    const expected = await demo.metric("maskgate_requests_total", `decision="${decision}"`);
    const row = (await table(page, "decisions")).find(([name]) => name === decision);
    assert.equal(digits(row[2]), expected, decision);
  }
  const refusals = await demo.metric("maskgate_refusals_total", 'limit="rate"');
  const row = (await table(page, "refusals")).find(([name]) => name === "rate");
  assert.equal(digits(row[2]), refusals);
  demo.load();
  await page.context().close();
});

test("it asks nobody but the gateway, runs nothing of anybody else, and has no secret on it", async () => {
  const { page, asked, faults } = await open(browser, demo);
  await says(page, "windows", /KS/);
  const origins = new Set(asked.filter((url) => !url.startsWith("data:")).map((url) => new URL(url).origin));
  assert.deepEqual([...origins], [demo.admin]);
  const answer = await fetch(`${demo.admin}/status`);
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /^default-src 'none';/);
  assert.doesNotMatch(policy, /unsafe|\*|http/);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.head.append(script);
    return window.ran === true;
  });
  assert.equal(ran, false, "a script that is not a file of the gateway's");
  assert.equal(faults.length, 1, "which the browser reports");
  const text = await page.evaluate(() => document.documentElement.outerHTML);
  for (const secret of [...NUMBERS.map((number) => number.slice(1)), "demo:", "Basic ", "shop"]) {
    assert.ok(!text.includes(secret), secret);
  }
  await page.context().close();
});

test("whoever has no mouse reaches everything, sees where he is, and stays there", async () => {
  const { page } = await open(browser, demo);
  await says(page, "windows", /ListSession/);
  const reached = [];
  for (let steps = 0; steps < 60; steps += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return undefined;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return {
        name: element.id || element.getAttribute("aria-label") || element.textContent,
        isSeen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
      };
    });
    if (at === undefined) break;
    assert.ok(at.isSeen, `${at.name} shows that it has the focus`);
    reached.push(at.name);
  }
  for (const name of ["Skip to the numbers", "pause", "service", "endpoint", "account", "Explain", "/metrics"]) {
    assert.ok(reached.includes(name), `${name} is reached: ${reached}`);
  }
  assert.ok(reached.some((name) => name.startsWith("Explain ListSession of KS")), `${reached}`);
  const pause = page.getByRole("button", { name: "Pause" });
  await pause.press("Enter");
  assert.equal(await pause.getAttribute("aria-pressed"), "true");
  assert.equal(await page.locator("#state").textContent(), "paused");
  await pause.press("Enter");
  const explain = page.getByRole("button", { name: /^Explain ListSession of KS/ }).first();
  await explain.focus();
  const before = await page.locator("#seen").textContent();
  await page.waitForFunction((seen) => document.getElementById("seen").textContent !== seen, before);
  const name = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.match(name ?? "", /^Explain ListSession of KS/, "the numbers are new and the focus is not");
  await page.context().close();
});

test("it explains a window that is chosen, and says why where it cannot", async () => {
  const { page } = await open(browser, demo);
  await says(page, "windows", /KS/);
  await page.getByRole("button", { name: /^Explain ListSession of KS/ }).first().press("Enter");
  await says(page, "explained", /of 150/);
  assert.match(await page.locator("#explained").textContent(), /It would be (forwarded|refused by rate: at most 150)/);
  assert.match(await page.locator("#explained").textContent(), /slots free/);
  await shoot(page, "explained");
  await page.getByRole("textbox", { name: "Service" }).fill("KS1");
  await page.getByRole("textbox", { name: "Service" }).press("Enter");
  await says(page, "explained", /32 hexadecimal digits/);
  await page.context().close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`it has no fault that axe knows, in ${colorScheme} colours`, async () => {
    const { page } = await open(browser, demo, { colorScheme });
    await says(page, "windows", /KS/);
    const found = await page.evaluate(`${AXE}; axe.run()`);
    const told = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(told, []);
    const ground = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const bright = ground.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0) > 3 * 128;
    assert.equal(bright, colorScheme === "light", ground);
    await shoot(page, `${colorScheme}-1280`);
    await page.context().close();
  });

  test(`on a phone nothing is cut off, in ${colorScheme} colours`, async () => {
    const viewport = { width: 360, height: 740 };
    const { page } = await open(browser, demo, { colorScheme, viewport, deviceScaleFactor: 2 });
    await says(page, "windows", /KS/);
    await page.getByRole("button", { name: /^Explain / }).first().click();
    await says(page, "explained", /of 1/);
    const widths = await page.evaluate(() => [...document.querySelectorAll("body, body *")]
      .filter((element) => element.getBoundingClientRect().right > 360.5 && !element.closest("pre, .hidden"))
      .map((element) => element.outerHTML.slice(0, 120)));
    assert.deepEqual(widths, []);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth), 360);
    await shoot(page, `${colorScheme}-360`);
    await page.context().close();
  });
}

test("a reload that was refused is told with its mistakes, and one that is right takes them away", async () => {
  const { page } = await open(browser, demo);
  demo.rewrite(`${CONFIG}nonsense: 1\n`);
  await says(page, "policy", /refused, \d+ s ago: the old one stays in force/);
  await says(page, "mistakes", /nonsense/);
  await says(page, "news", /The last reload was refused/);
  await shoot(page, "refused-reload");
  demo.rewrite(CONFIG);
  await says(page, "policy", /applied, \d+ s ago/);
  assert.ok(await page.locator("#mistakes").isHidden());
  await page.context().close();
});

test("it shows how the store stands, and that the gateway drains", async (t) => {
  const redis = await Redis.start();
  t.after(() => redis.stop());
  const other = await Demo.start(`
store: { redis: { url: '${redis.url}', replicas: 1, deadline: 500ms } }
drain: 60s
linger: 60s
`);
  t.after(() => other.stop());
  const { page } = await open(browser, other);
  await says(page, "store", /conditiontrusted/);
  await says(page, "store", /local_share, 1 replica$/);
  await redis.stop();
  await says(page, "store", /conditionlost/);
  await says(page, "news", /The store is lost/);
  await shoot(page, "store-lost");
  other.process.kill("SIGTERM");
  await says(page, "state", /^draining$/);
  await shoot(page, "draining");
  await page.context().close();
});

test("where nobody answers it says so, and keeps what it knew", async () => {
  const other = await Demo.start();
  const { page } = await open(browser, other);
  await other.stop();
  await says(page, "news", /No answer since .*: the numbers are of then/);
  assert.equal(await page.locator("#state").textContent(), "no answer");
  assert.ok((await table(page, "decisions")).length > 0);
  await shoot(page, "no-answer");
  await page.context().close();
});
