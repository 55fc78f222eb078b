// The numbers of /metrics: the page shows these and no others of its own.

/** Prometheus' text format; no label of the gateway's has a quote or a comma in its value. */
export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.lastIndexOf(" ");
    const [, name, labels] = line.slice(0, at).match(/^([^{]+)(?:\{(.*)\})?$/);
    const pairs = (labels ?? "").split(",").filter(Boolean).map((pair) => {
      const [label, value] = pair.split("=");
      return [label, value.slice(1, -1)];
    });
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels: Object.fromEntries(pairs), value: Number(line.slice(at + 1)) });
  }
  return samples;
}

/** What one scrape says, and by how much it says more than the one before. */
export class Scrape {
  constructor(text, at, before) {
    this.samples = parse(text);
    this.at = at;
    // A gateway that has started anew begins to count anew.
    const started = (scrape) => scrape.value("maskgate_start_time_seconds");
    this.before = before && started(before) === started(this) ? before : undefined;
    if (this.before) this.before.before = undefined;
  }

  /** The sum over all series of a name that have these labels. */
  value(name, labels = {}) {
    const wanted = Object.entries(labels);
    return (this.samples.get(name) ?? [])
      .filter((sample) => wanted.every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, sample) => sum + sample.value, 0);
  }

  /** A label of the only series of a name. */
  label(name, label) {
    return this.samples.get(name)?.[0]?.labels[label] ?? "";
  }

  /** Every value of a label. */
  values(name, label) {
    return [...new Set((this.samples.get(name) ?? []).map((sample) => sample.labels[label]))];
  }

  /** How much a second since the scrape before; undefined where there is none. */
  rate(name, labels) {
    if (!this.before) return undefined;
    const seconds = Math.max((this.at - this.before.at) / 1000, 0.001);
    return (this.value(name, labels) - this.before.value(name, labels)) / seconds;
  }

  /** Within how many seconds that share of what was observed since the scrape before was. */
  quantile(name, share) {
    if (!this.before) return undefined;
    const bounds = this.values(`${name}_bucket`, "le").map((le) => ({
      bound: le === "+Inf" ? Infinity : Number(le),
      count: this.value(`${name}_bucket`, { le }) - this.before.value(`${name}_bucket`, { le }),
    })).sort((one, other) => one.bound - other.bound);
    const all = bounds.at(-1)?.count ?? 0;
    return all > 0 ? bounds.find(({ count }) => count >= all * share).bound : undefined;
  }
}
