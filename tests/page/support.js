// A demo under load, and a browser that looks at its status page.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { once } = require("node:events");
const { spawn } = require("node:child_process");
const { chromium } = require("playwright-core");

const ACCOUNT = "AC00000000000000000000000000000001";
const SESSION = "KC00000000000000000000000000000001";
const PARTICIPANT = "KP00000000000000000000000000000001";
const NUMBERS = ["+15005550006", "+15005550007", "+15005550008"];
const PATIENCE = 60_000;
const CONFIG = `
workers: 2
limits:
  pools: { unreserved: 4 }
  overrides:
    - { match: { endpoint: FetchSession }, rate: { requests_per_second: 2, window: 5s } }
`;

/** `maskgate demo` with two services, three numbers, and requests for them until `rest`. */
class Demo {
  static async start(more = "") {
    const demo = new Demo();
    demo.directory = fs.mkdtempSync(path.join(os.tmpdir(), "maskgate-page-"));
    demo.file = path.join(demo.directory, "maskgate.yaml");
    fs.writeFileSync(demo.file, CONFIG + more);
    const args = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", demo.file];
    demo.process = spawn(process.env.MASKGATE, args, { stdio: ["ignore", "pipe", "ignore"] });
    demo.ended = once(demo.process, "close");
    const [first] = await once(readline.createInterface({ input: demo.process.stdout }), "line");
    [demo.url, demo.admin] = first.match(/http:\/\/[0-9.:]+/g);
    demo.agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    demo.services = [];
    for (const name of ["shop", "taxi"]) {
      const made = await demo.ask("POST", "/v1/Services", `UniqueName=${name}`);
      demo.services.push(made.json.sid);
    }
    for (const number of NUMBERS) {
      const added = await demo.ask("POST", `/v1/Services/${demo.services[0]}/PhoneNumbers`,
        `PhoneNumber=${encodeURIComponent(number)}`);
      assert.equal(added.status, 201, JSON.stringify(added.json));
    }
    return demo;
  }

  /** One request to the gateway. */
  async ask(method, target, form) {
    const headers = { authorization: `Basic ${Buffer.from(`${ACCOUNT}:demo`).toString("base64")}` };
    if (form !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const request = http.request(this.url + target, { method, headers, agent: this.agent });
    request.setTimeout(PATIENCE, () => request.destroy(new Error(`${method} ${target} is not answered`)));
    request.end(form);
    const [answer] = await once(request, "response");
    let body = "";
    for await (const piece of answer) body += piece;
    return { status: answer.statusCode, json: JSON.parse(body) };
  }

  /** Some forty requests, of which a third is above a limit; again and again until `rest`. */
  load() {
    const [shop, taxi] = this.services.map((sid) => `/v1/Services/${sid}`);
    const turn = async () => {
      while (this.isLoaded) {
        const targets = [
          ...Array(12).fill(`${shop}/Sessions`), ...Array(6).fill(`${taxi}/PhoneNumbers`), shop,
          `${taxi}/Sessions/${SESSION}`, "/v1/Services", "/elsewhere",
          `${taxi}/Sessions/${SESSION}/Participants/${PARTICIPANT}/MessageInteractions`,
        ];
        for (const target of targets) await this.ask("GET", target);
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
    };
    this.isLoaded = true;
    this.turning = turn();
  }

  async rest() {
    this.isLoaded = false;
    await this.turning;
  }

  /** The sum over the series of one metric with that label. */
  async metric(name, label = "") {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    return text.split("\n").filter((line) => line.startsWith(name) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Replaces the configuration; the demo looks at it once a second. */
  rewrite(text) {
    fs.writeFileSync(`${this.file}.new`, text);
    fs.renameSync(`${this.file}.new`, this.file);
  }

  async stop() {
    if (this.turning) await this.rest();
    this.agent.destroy();
    this.process.kill("SIGKILL");
    await this.ended;
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** A Redis of its own, at a port that is free. */
class Redis {
  static async start() {
    const probe = net.createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address();
    await new Promise((resolve) => { probe.close(resolve); });
    const redis = new Redis();
    redis.url = `redis://127.0.0.1:${port}`;
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", os.tmpdir()];
    redis.process = spawn("redis-server", args, { stdio: "ignore" });
    redis.ended = once(redis.process, "close");
    return redis;
  }

  async stop() {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}

async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
  });
}

/** A page that has shown a rate once, and what it has done that it should not. */
async function open(browser, demo, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(`${demo.admin}/`, { waitUntil: "load" });
  await page.waitForFunction(() => /\d/.test(document.querySelector("#decisions td")?.textContent ?? ""));
  return { page, faults, asked };
}

async function shoot(page, name) {
  await page.screenshot({ path: path.join(process.env.SHOTS, `${name}.png`), fullPage: true });
}

module.exports = { ACCOUNT, CONFIG, Demo, NUMBERS, Redis, launch, open, shoot };
