// "Would it pass now?": the answer of /explain, in words.
import { by, element, meter, number } from "./draw.js";

/** Makes the form answer in the page; without this it leads to the page of JSON. */
export function prepare() {
  by("explain").addEventListener("submit", (event) => {
    event.preventDefault();
    explain();
  });
}

/** Asks about a window that is shown. */
export function fill(window) {
  by("service").value = window.service ?? "";
  by("account").value = window.account ?? "";
  by("endpoint").value = window.endpoint;
  explain();
  by("explained").scrollIntoView({ block: "nearest" });
}

async function explain() {
  const query = new URLSearchParams();
  for (const name of ["service", "endpoint", "account"]) {
    const value = by(name).value.trim();
    if (value) query.set(name, value);
  }
  try {
    const answer = await fetch(`explain?${query}`, { cache: "no-store" });
    say(...(answer.ok ? words(await answer.json()) : [await answer.text()]));
  } catch {
    say("The gateway does not answer.");
  }
}

function say(first, ...rest) {
  by("explained").replaceChildren(element("p", { says: first }), ...rest);
}

function words({ decision, limit, why, retry_after_seconds: wait, on_trial: trial, rule, window, guard, store }) {
  const verdict = decision === "forwarded"
    ? `It would be forwarded${trial ? `, though ${trial} would refuse it if its rule were not on trial` : ""}.`
    : `It would be refused by ${limit}: ${why}.`;
  const list = element("dl");
  const add = (name, ...says) => {
    const value = element("dd");
    value.append(...says);
    list.append(element("dt", { says: name }), value);
  };
  if (wait !== null) add("room again in", `${wait.toFixed(3)} s`);
  const taken = window.admissions_in_window;
  const of = `${number(taken)} of ${number(window.admissions_allowed)}, ${number(window.remaining)} more would pass`;
  add("window", of, meter(taken / window.admissions_allowed));
  const [oldest] = window.charges;
  if (oldest) {
    const frees = window.charges.map((charge) => charge.frees_in_seconds).filter((seconds) => seconds !== null);
    const isWhole = window.left_out === 0;
    if (frees.length > 0) add("slots free", !isWhole ? `the first in ${frees[0].toFixed(3)} s` : `the first in ${frees[0].toFixed(3)} s, half within ${frees[frees.length >> 1].toFixed(3)} s, `
      + `the last in ${frees.at(-1).toFixed(3)} s`);
    add("oldest admission", `${oldest.age_seconds.toFixed(3)} s ago`);
  }
  const { override, rate } = rule;
  const matches = override && Object.entries(override).filter(([, value]) => value).map((pair) => pair.join(" ")).join(", ");
  add("rule", `${number(rate.admissions_in_window)} in any ${rate.window_seconds} s, ${rate.mode}, set by ${rate.set_by}`);
  add("override", matches ?? "none: the general rate");
  if (rule.depends_on_account) add("account", "some account has a rule of its own here");
  if (guard) add("guard", `strangers are kept short for ${number(guard.ends_in_seconds)} s, ${number(guard.strangers_unanswered)} wait`);
  if (store) add("store", `decided by ${store.decides}${store.fault ? `: ${store.fault}` : ""}`);
  return [verdict, list];
}
