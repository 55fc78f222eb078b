// Every two seconds: ask the gateway for four of its pages, and show what they say.
import { Scrape } from "./scrape.js";
import { by, chart, element, millis, number, pairs, rate, rows, span, text } from "./draw.js";
import { prepare, fill } from "./explain.js";

const EVERY = 2000;
const PATIENCE = 5000;
const SHOWN = 10;
const LENGTH = 61; // two minutes
// The bands of the chart, from below.
const BANDS = [["forwarded"], ["limited"], ["upstream_failed", "failed"], ["invalid", "unroutable", "abandoned"]];

let scrape;
let answered;
let isPaused = false;
const history = [];
let told = "";

async function get(path) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
}

async function look() {
  const [metrics, ready, ...pages] = await Promise.all([
    get("metrics").then((answer) => answer.text()),
    get("readyz").then((answer) => answer.ok),
    ...["top", "pools", "policy"].map((path) => get(path).then((answer) => answer.json())),
  ]);
  scrape = new Scrape(metrics, performance.now(), scrape);
  show(ready, ...pages);
  answered = Date.now();
}

function show(ready, top, pools, policy) {
  text("version", scrape.label("maskgate_build_info", "version"));
  text("up", `up ${span(Date.now() / 1000 - scrape.value("maskgate_start_time_seconds"))}, `
    + `policy ${number(scrape.value("maskgate_config_generation"))}`);
  text("seen", `as of ${new Date().toLocaleTimeString()}`);
  state(ready ? "ready" : "draining", ready ? "good" : "bad");
  decisions();
  refusals();
  windows(top);
  services(top);
  room(policy);
  numbers(pools);
  upstream(policy);
  store(policy);
  configuration(policy);
  tell(policy);
}

function state(says, kind) {
  text("state", says);
  by("state").className = `state ${kind}`;
}

function decisions() {
  const name = "maskgate_requests_total";
  rows("decisions", BANDS.flat().map((decision) => {
    const [perSecond, all] = [scrape.rate(name, { decision }), scrape.value(name, { decision })];
    return { key: decision, cells: [decision, rate(perSecond), number(all)], quiet: all === 0 };
  }));
  if (!scrape.before) return;
  const each = (decision) => scrape.rate(name, { decision });
  history.push(BANDS.map((band) => band.reduce((sum, decision) => sum + each(decision), 0)));
  if (history.length > LENGTH) history.shift();
  const most = chart(history, LENGTH);
  text("charted", `a second, of the last two minutes; the top is ${rate(most)}`);
}

function refusals() {
  const name = "maskgate_refusals_total";
  rows("refusals", scrape.values(name, "limit").map((limit) => ({ limit, all: scrape.value(name, { limit }) }))
    .filter(({ all }) => all > 0)
    .sort((one, other) => other.all - one.all)
    .map(({ limit, all }) => ({ key: limit, cells: [limit, rate(scrape.rate(name, { limit })), number(all)] })));
}

function id(sid) {
  return { says: sid ?? "a name or key not seen before", kind: "id" };
}

function windows(top) {
  rows("windows", top.fullest.slice(0, SHOWN).map((window, nth) => {
    const sid = window.service ?? window.account;
    const button = element("button", { says: "explain", type: "button" });
    button.setAttribute("aria-label", `Explain ${window.endpoint} of ${sid}`);
    button.addEventListener("click", () => fill(window));
    const cells = [id(sid), { says: window.endpoint, kind: "text" }, { ratio: window.fill },
      `${number(window.admissions_in_window)} of ${number(window.admissions_allowed)}`, sid ? button : ""];
    return { key: `${sid ?? nth} ${window.endpoint}`, cells };
  }));
}

function services(top) {
  const of = (list) => new Map(list.services.map((each) => [each.service, each]));
  const [asked, refused] = [of(top.offered), of(top.refused)];
  const row = (service) => ({ key: service, cells: [id(service), ...[refused, asked].map((list) => {
    const each = list.get(service);
    if (!each) return "–";
    return `${each.over_by_at_most > 0 ? "≤ " : ""}${rate(each.per_second)}`;
  })] });
  rows("refused", [...refused.keys()].slice(0, SHOWN).map(row));
  rows("asked", [...asked.keys()].slice(0, SHOWN).map(row));
  const beside = top.of_no_known_service;
  text("span", `Of the last ${number(top.span_seconds)} s: ${number(top.offered.requests)} requests for services, `
    + `${number(top.refused.requests)} of them refused${beside ? `; ${number(beside)} for none that is known` : ""}.`);
}

function room(policy) {
  const { limits, settings } = policy;
  const mb = (bytes) => `${number(bytes / 1048576, 1)} MiB`;
  const all = [
    ["requests", "maskgate_in_flight_requests", limits.in_flight.total, number],
    ["bodies", "maskgate_request_body_bytes", limits.body_memory_bytes, mb],
    ["connections", "maskgate_connections", settings.max_connections, number],
    ["windows", "maskgate_live_keys", limits.max_keys, number],
  ];
  rows("room", all.map(([name, metric, most, write]) => {
    const used = scrape.value(metric);
    return { key: name, cells: [name, { ratio: used / most }, write(used), write(most)] };
  }));
}

function numbers(pools) {
  const each = pools.fullest.flatMap(({ service, pools: both }) =>
    both.filter(({ used }) => used > 0).map((pool) => ({ service, ...pool })));
  each.sort((one, other) => other.fill - one.fill);
  rows("pools", each.slice(0, SHOWN).map(({ service, kind, fill: ratio, used, limit }) => ({
    key: `${service} ${kind}`,
    cells: [id(service), { says: kind, kind: "text" }, { ratio }, `${number(used)} of ${number(limit)}`],
  })));
}

function upstream(policy) {
  const [errors, times] = ["maskgate_upstream_errors_total", "maskgate_upstream_duration_seconds"];
  const reasons = scrape.values(errors, "reason")
    .map((reason) => [reason, scrape.value(errors, { reason })])
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${number(count)} ${reason}`);
  const [half, most] = [0.5, 0.99].map((share) => scrape.quantile(times, share));
  const within = half === undefined ? "none since the last look"
    : `half within ${millis(half)}, 99 % within ${millis(most)}`;
  pairs("upstream", [
    ["address", policy.upstream.url.join(", ")],
    ["answers begin", within],
    ["errors", `${rate(scrape.rate(errors))} a second`],
    ["since the start", reasons.join(", ") || "no errors"],
    ["connections", `${number(scrape.value("maskgate_upstream_idle_connections"))} idle, `
      + `${number(scrape.value("maskgate_upstream_connections_opened_total"))} opened, `
      + `${number(scrape.value("maskgate_upstream_retries_total"))} retries`],
  ]);
}

function store({ store: shared }) {
  if (!shared) return pairs("store", [["none", "this process counts for itself"]]);
  pairs("store", [
    ["condition", alarming(shared.condition, shared.condition !== "trusted")],
    ["servers", `${shared.kind}: ${shared.servers.join(", ")}${shared.tls ? ", TLS" : ""}`],
    ["fault", shared.fault ?? undefined],
    ["owed", `${number(scrape.value("maskgate_store_owed"))} admissions`],
    ["asked", `${rate(scrape.rate("maskgate_store_call_duration_seconds_count"))} a second`],
    ["without it", `${shared.on_loss}, ${number(shared.replicas)} ${shared.replicas === 1 ? "replica" : "replicas"}`],
  ]);
}

function alarming(says, isSo) {
  return isSo ? { says, kind: "hot-text" } : says;
}

function configuration({ generation, limits, reload, settings, log }) {
  const rule = limits.rate;
  const pool = limits.pools.rule;
  const isRefused = reload?.result === "refused";
  const last = reload ? `${reload.result}, ${span(reload.age_seconds)} ago` : "none since the start";
  pairs("policy", [
    ["policy", `number ${number(generation)}`],
    ["last reload", alarming(isRefused ? `${last}: the old one stays in force` : last, isRefused)],
    ["rate", `${number(rule.requests_per_second)} a second on the average of ${rule.window_seconds} s: `
      + `${number(rule.admissions_in_window)} in any ${rule.window_seconds} s, ${rule.mode} (${rule.set_by})`],
    ["overrides", `${number(limits.overrides.length)} of rates, ${number(limits.pools.overrides.length)} of pools`],
    ["number pools", `${number(pool.reserved)} reserved, ${number(pool.unreserved)} others, ${pool.mode}`],
    ["form", `at most ${number(limits.payload.body_bytes)} bytes`],
    ["workers", number(settings.workers)],
    ["log", `${log.level}, ${log.access} requests`],
  ]);
  by("mistakes").hidden = !isRefused;
  text("mistakes", isRefused ? reload.mistakes : "");
}

/** Says aloud what has changed for the worse or the better, and nothing else. */
function tell({ reload, store: shared }) {
  // Of the last ten seconds, or a window that frees a slot now and then would be told of each time.
  const lately = (band) => history.slice(-5).some((bands) => bands[band] > 0);
  const [limited, failing] = [lately(1), lately(2)];
  const parts = [
    limited && "Requests are being limited.",
    failing && "Requests fail behind the gateway.",
    shared && shared.condition !== "trusted" && `The store is ${shared.condition}.`,
    reload?.result === "refused" && "The last reload was refused.",
  ].filter(Boolean);
  news(parts.join(" ") || "No request is limited, and none fails.", parts.length > 0 ? "wanting" : "");
}

function news(says, kind) {
  if (told === says) return;
  told = says;
  text("news", says);
  by("news").className = kind;
}

async function turn() {
  if (!isPaused && !document.hidden) {
    try {
      await look();
    } catch {
      scrape = undefined;
      state("no answer", "bad");
      news(answered ? `No answer since ${new Date(answered).toLocaleTimeString()}: the numbers are of then`
        : "The gateway does not answer", "alarm");
    }
  }
  setTimeout(turn, scrape && !scrape.before ? EVERY / 2 : EVERY);
}

by("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  by("pause").setAttribute("aria-pressed", String(isPaused));
  if (isPaused) state("paused", "");
});
prepare();
turn();
