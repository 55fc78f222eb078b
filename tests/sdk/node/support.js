// A demo of a test's own, and clients of it; each client has an account of its own.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { once } = require("node:events");
const { spawn } = require("node:child_process");
const twilio = require("twilio");

const ROOT = path.resolve(__dirname, "../../..");
const [ANN, BOB, CARL] = ["+14155550101", "+14155550102", "+14155550103"];
const [NUMBER, OTHER_NUMBER] = ["+14155559999", "+14155559998"];
const SHORT_CODE = "SC0123456789abcdef0123456789abcdef";

let serial = 0;

/** An account that nobody has used: a world without anything in it. */
function newAccount() {
  serial += 1;
  return `AC${serial.toString(16).padStart(32, "0")}`;
}

/** `maskgate demo` on free ports, until `stop`. */
class Demo {
  static async start({ options = [], config } = {}) {
    const demo = new Demo();
    const args = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...options];
    if (config !== undefined) {
      demo.directory = fs.mkdtempSync(path.join(os.tmpdir(), "maskgate-"));
      const file = path.join(demo.directory, "maskgate.yaml");
      fs.writeFileSync(file, config);
      args.push("--config", file);
    }
    demo.process = spawn(process.env.MASKGATE, args, { stdio: ["ignore", "pipe", "pipe"] });
    demo.ended = once(demo.process, "close");
    demo.log = "";
    demo.process.stderr.setEncoding("utf8").on("data", (text) => { demo.log += text; });
    const lines = readline.createInterface({ input: demo.process.stdout });
    const [first] = await Promise.race([once(lines, "line"), demo.ended]);
    const addresses = String(first).match(/http:\/\/[0-9.:]+/g) ?? [];
    assert.equal(addresses.length, 2, `the demo did not start: ${first}\n${demo.log}`);
    [demo.url, demo.admin] = addresses;
    return demo;
  }

  /** Replaces the configuration, and waits until it is in force. */
  async reload(config) {
    const before = await this.generation();
    // In one step: the demo looks at it whenever it likes.
    const file = path.join(this.directory, "maskgate.yaml");
    fs.writeFileSync(`${file}.new`, config);
    fs.renameSync(`${file}.new`, file);
    this.process.kill("SIGHUP");
    for (let tries = 0; tries < 10_000; tries += 1) {
      if ((await this.generation()) !== before) return;
    }
    throw new Error(`the configuration was not taken up: ${this.log}`);
  }

  async generation() {
    return (await (await fetch(`${this.admin}/policy`)).json()).generation;
  }

  /** Ends the demo as an operator would; answers its log. */
  async stop() {
    this.process.kill("SIGTERM");
    const [status] = await this.ended;
    if (this.directory !== undefined) fs.rmSync(this.directory, { recursive: true });
    assert.equal(status, 0, `the demo ended with ${status}\n${this.log}`);
    return this.log;
  }

  client(account = newAccount(), password = "demo", options = {}) {
    const client = twilio(account, password, options);
    client.proxy.baseUrl = this.url;
    return client;
  }

  /** How many requests of each operation had that decision. */
  async requests(decision) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    const line = /^maskgate_requests_total\{decision="(\w+)",endpoint="(\w+)"\} (\d+)$/gm;
    return Object.fromEntries([...text.matchAll(line)]
      .filter(([, had, , count]) => had === decision && count !== "0")
      .map(([, , endpoint, count]) => [endpoint, Number(count)]));
  }
}

/** What a test acts in: an account of its own, and what it makes there. */
class World {
  constructor(demo) {
    this.demo = demo;
    this.account = newAccount();
    this.proxy = demo.client(this.account).proxy.v1;
  }

  /** A new service, as what it does is called on. */
  async service(uniqueName = "one") {
    return this.proxy.services((await this.proxy.services.create({ uniqueName })).sid);
  }

  async serviceWithNumber(uniqueName = "one") {
    const service = await this.service(uniqueName);
    await service.phoneNumbers.create({ phoneNumber: NUMBER });
    return service;
  }

  /** A new session of these participants, as what it does is called on. */
  async session(identifiers = [], { service, ...fields } = {}) {
    const inside = service ?? await this.serviceWithNumber();
    const participants = identifiers.map((Identifier) => ({ Identifier }));
    const session = await inside.sessions.create({ participants, ...fields });
    return inside.sessions(session.sid);
  }

  /** The participant with that identifier, as what it does is called on. */
  async participant(session, identifier) {
    const all = await session.participants.list();
    return session.participants(all.find((each) => each.identifier === identifier).sid);
  }

  /** Adds a short code, which the SDK has lost, as it adds the others. */
  async addShortCode(service, Sid = SHORT_CODE) {
    const { sid } = await service.fetch();
    return this.proxy.create(form(`/Services/${sid}/ShortCodes`, { Sid }));
  }
}

/** A request with a form, as the SDK's own operations make theirs. */
function form(uri, data, method = "post") {
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return { uri, method, data, headers };
}

/** Asserts that a call ends with the SDK's exception of that code; answers its message. */
async function refused(code, call, status = 400) {
  const error = await Promise.resolve().then(call).then(
    () => assert.fail(`there is no ${code}`),
    (caught) => caught,
  );
  assert.ok(error instanceof twilio.RestException, `${error.stack}`);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
  assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
  return error.message;
}

/** The client that the README shows, for that demo and account instead of its own. */
function patientClient(demo, account) {
  const text = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  let block = text.match(/^```js\n([^]*?)^```$/m)[1];
  for (const [shown, used] of [
    ["http://127.0.0.1:8080", demo.url],
    ["AC00000000000000000000000000000001", account],
  ]) {
    assert.ok(block.includes(shown), `${shown} is not in the README's js`);
    block = block.replaceAll(shown, used);
  }
  return new Function("require", `${block}\nreturn client;`)(require);
}

const sids = (resources) => resources.map((each) => each.sid);

module.exports = {
  ANN, BOB, CARL, Demo, NUMBER, OTHER_NUMBER, ROOT, SHORT_CODE, World,
  form, newAccount, patientClient, refused, sids,
};
