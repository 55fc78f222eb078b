// Does a test here cause each error that docs/backend.md lists?
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { ROOT } = require("./support");

// No request through the gateway causes these: such a path is a 404 there, and a body that does
// not come gets no further.
const BEHIND_THE_GATEWAY = ["20408", "80403", "80405", "80408", "80409"];

test("each of the documented is the beginning of a test's name", () => {
  const documented = fs.readFileSync(path.join(ROOT, "docs/backend.md"), "utf8")
    .split("\n")
    .filter((row) => /^\| [28]\d{4}/.test(row))
    .flatMap((row) => row.split("|").slice(1, 3).join(" ").match(/\b[28]\d{4}\b/g));
  const tested = fs.readdirSync(__dirname)
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => fs.readFileSync(path.join(__dirname, name), "utf8"))
    .flatMap((text) => [...text.matchAll(/^ *test\(["`](\d{5}): /gm)].map(([, code]) => code));
  assert.ok(documented.length > 30);
  const missing = documented.filter((code) => !tested.includes(code));
  assert.deepEqual([...new Set(missing)].sort(), BEHIND_THE_GATEWAY);
});
