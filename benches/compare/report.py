"""What is said in the end: the tables, as Markdown for people and JSON for programs."""

import json
import statistics

from load import THREADS
from load import WORKLOADS

DIRECT = "upstream alone"
# A generator that is busier than this may be what limits a rate.
BUSY = 0.85
# More than this share of the machine for others, and the figures are noise.
QUIET = 0.03


def spread(values, form):
    """The median, and the least and the greatest."""
    if not values:
        return "–"
    middle = form(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form(min(values))}–{form(max(values))})"


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Results:
    """What was measured, and the figures that follow."""

    def __init__(self, facts):
        self.facts = facts
        self.turns = []
        self.latency = []
        self.rate = None
        self.memory = {}

    def of(self, workload, peer, field):
        """A field's values, one a round."""
        return [turn[field] for turn in self.turns
                if (turn["workload"], turn["peer"]) == (workload, peer)]

    def middle(self, workload, peer, field):
        values = self.of(workload, peer, field)
        return statistics.median(values) if values else None

    def percentile(self, peer, which):
        return [turn["latency"][which] for turn in self.latency if turn["peer"] == peer]

    def peers(self):
        return list(dict.fromkeys(turn["peer"] for turn in self.turns if turn["peer"] != DIRECT))

    def as_json(self):
        return json.dumps(vars(self), indent=1)

    def as_markdown(self):
        parts = [self.head()]
        if self.turns:
            parts += [self.by_workload("CPU µs a request, user and system of the whole process "
                                       "tree", "cpu_us", lambda us: f"{us:.1f}", []),
                      self.by_workload("Requests a second", "rate", lambda n: f"{n:,.0f}",
                                       [DIRECT])]
        if self.latency:
            parts.append(self.latencies())
        if self.memory:
            parts.append(self.memories())
        if self.turns:
            parts += [self.targets(), self.generator()]
        return "\n\n".join(parts) + "\n"

    def head(self):
        facts = [[f"{name}", f"{value}"] for name, value in self.facts.items()]
        title = f"# maskgate and its peers, {self.facts['date']}\n\n"
        warning = ("**The machine was not quiet: these figures show that the comparison works, "
                   "and nothing else.**\n\n") if self.noise("others")[0] > QUIET else ""
        return (title + warning + table(["", ""], facts)
                + "\n\nMedian (least–greatest) of the rounds. `README.md` beside the command says "
                "what a row is.")

    def noise(self, field):
        """Share of the machine that went elsewhere in a turn: the median, and the most."""
        shares = [turn[field] for turn in self.turns]
        return (statistics.median(shares), max(shares)) if shares else (0.0, 0.0)

    def by_workload(self, title, field, form, more):
        peers = self.peers() + more
        rows = [[each.what, *(spread(self.of(each.name, peer, field), form) for peer in peers)]
                for each in WORKLOADS if any(t["workload"] == each.name for t in self.turns)]
        return f"## {title}\n\n" + table(["", *peers], rows)

    def latencies(self):
        peers = list(dict.fromkeys(turn["peer"] for turn in self.latency))
        rows = [[which, *(spread(self.percentile(peer, which), lambda us: f"{us:,.0f}")
                          for peer in peers)] for which in ("p50", "p99", "p99.9")]
        rows.append(["answered a second", *(
            spread([t["sent"] / t["seconds"] for t in self.latency if t["peer"] == peer],
                   lambda n: f"{n:,.0f}") for peer in peers)])
        rows.append(["CPU µs a request", *(
            spread([t["cpu_us"] for t in self.latency if t["peer"] == peer],
                   lambda us: f"{us:.1f}") for peer in peers)])
        return (f"## Latency in µs at {self.rate:,} GETs a second (open loop, from when each was "
                "due)\n\n" + table(["", *peers], rows))

    def memories(self):
        kinds = [("idle resident", 1e6, "MB"), ("idle proportional", 1e6, "MB"),
                 ("per idle connection", 1e3, "kB"), ("per key hit once", 1, "bytes"),
                 ("left after the window", 1, "bytes a key"), ("keys alive", 1, "")]
        rows = []
        for kind, unit, name in kinds:
            row = [f"{kind}, {name}".rstrip(", ")]
            for found in self.memory.values():
                value = found.get(kind)
                row.append("–" if value is None else f"{value / unit:,.{1 if unit > 1 else 0}f}")
            rows.append(row)
        return "## Memory\n\n" + table(["", *self.memory], rows)

    def ratios(self, workload, other):
        """maskgate's CPU a request over another's, round by round."""
        return [ours / theirs for ours, theirs in zip(self.of(workload, "maskgate", "cpu_us"),
                                                      self.of(workload, other, "cpu_us"))]

    def targets(self):
        """What `maskgate` is to reach beside the others."""
        known = [peer for peer in ("nginx", "haproxy") if self.of("get", peer, "cpu_us")]
        better = min(known, key=lambda peer: self.middle("get", peer, "cpu_us"), default="nginx")
        asked = [(f"CPU of a forwarded GET, times {better}'s (the better of nginx and HAProxy)",
                  0.85, self.ratios("get", better)),
                 ("the same, times the bare relay's", 1.6, self.ratios("get", "relay")),
                 ("the same, times Envoy's", 0.25, self.ratios("get", "envoy")),
                 ("CPU of a form POST with checks, times nginx's without", 1.0,
                  self.ratios("post", "nginx")),
                 ("CPU of a 429, times nginx's", 0.75, self.ratios("limited", "nginx")),
                 ("CPU of a GET over a new connection, times nginx's", 1.0,
                  self.ratios("connect", "nginx"))]
        for which in ("p50", "p99"):
            pairs = zip(self.percentile("maskgate", which), self.percentile("nginx", which))
            asked.append((f"{which} at half load, times nginx's", 1.0,
                          [ours / max(theirs, 1) for ours, theirs in pairs]))
        own = self.memory.get("maskgate", {})
        for kind, limit, unit, name in (("idle resident", 15, 1e6, "MB"),
                                        ("per idle connection", 8, 1e3, "kB"),
                                        ("per key hit once", 512, 1, "bytes")):
            asked.append((f"{kind}, {name}", limit, [own[kind] / unit] if kind in own else []))
        rows = [[what, f"{limit:g}", spread(values, lambda n: f"{n:.2f}"), verdict(values, limit)]
                for what, limit, values in asked if values]
        return "## What is to be reached\n\n" + table(["", "at most", "found", ""], rows)

    def generator(self):
        """How far the load generators were from being the limit."""
        rows = []
        for each in WORKLOADS:
            turns = [t for t in self.turns if t["workload"] == each.name and t["peer"] != DIRECT]
            if not turns:
                continue
            share, busiest = max((t["generator"] / t["seconds"] / THREADS, t["peer"])
                                 for t in turns)
            alone = self.middle(each.name, DIRECT, "rate")
            rates = {t["peer"]: self.middle(each.name, t["peer"], "rate") for t in turns}
            fastest = max(rates, key=rates.get)
            beyond = f"{alone / rates[fastest]:.1f} × {fastest}" if alone else "–"
            limit = share > BUSY or (alone and alone < rates[fastest])
            rows.append([each.what, f"{share:.0%} ({busiest})", beyond,
                         "may be the limit" if limit else "not the limit"])
        heads = ["", "of its threads' time, at most", "straight to the upstream", ""]
        text = "## The load generator\n\n" + table(heads, rows)
        others, stolen = self.noise("others"), self.noise("stolen")
        text += (f"\n\nOther processes had {others[0]:.1%} of the machine in a turn (at most "
                 f"{others[1]:.1%}), its hypervisor {stolen[0]:.1%} ({stolen[1]:.1%}).")
        if self.latency:
            cores = self.facts["cores"]
            used = max(turn["cpu"] / turn["seconds"] / cores for turn in self.latency)
            late = max(turn["late"]["p99"] for turn in self.latency)
            text += (f"\n\nThe generator for latencies used at most {used:.0%} of the machine, and its "
                     f"99th percentile of waking up for a request was {late} µs late at most.")
        return text


def verdict(values, limit):
    middle = statistics.median(values)
    return "reached" if middle <= limit else f"missed by {middle / limit - 1:.0%}"
