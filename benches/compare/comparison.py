"""One run: every workload in turns, then latency at one rate for all, then memory."""

import time

import load
import memory
import peers
import report
import upstream
from processes import Failure
from processes import busy_seconds
from processes import free_port
from processes import raise_file_limit
from processes import say
from processes import wait_for


class Comparison:
    """One run: the stand, the gateways, and how long it may take."""

    def __init__(self, arguments, stand, gateways, open_loop, facts):
        self.arguments, self.stand, self.gateways = arguments, stand, gateways
        self.open_loop = open_loop
        self.quick = arguments.quick
        self.rounds = arguments.rounds or (2 if self.quick else 5)
        self.seconds = 1 if self.quick else 3
        # Seconds for the rounds of one workload; latency and memory take their part behind them.
        self.share = 14 if self.quick else 105
        self.upstream, self.upstream_port = upstream.start(stand)
        self.results = report.Results(facts)

    def launch(self, peer, workload=load.WORKLOADS[0], keys=20_000):
        """Starts a gateway and waits for its first answer."""
        place = peers.Place(self.stand.folder, free_port(), free_port(), self.upstream_port,
                            workload.tls, workload.http2, keys)
        server = self.stand.start(peer.name, peer.configure(place, peer.binary))
        ready = ((lambda: answers_http2(place.port)) if workload.http2
                 else lambda: load.answers(place.port, workload.tls))
        wait_for(ready, server, f"{peer.name} answers")
        return server, place

    def all_turns(self):
        for workload in load.WORKLOADS:
            if workload.name in self.arguments.only:
                self.turns_of(workload)

    def turns_of(self, workload):
        """One workload: A B C D, A B C D, …, as many rounds as there is time for."""
        gateways = [each for each in self.gateways if each.limits or workload.relayed]
        running = []
        for each in gateways:
            server, place = self.launch(each, workload)
            running.append((each.name, server, place.port))
        if workload.relayed:
            running.append((report.DIRECT, self.upstream, self.upstream_port))
        begun, last = time.monotonic(), 0.0
        for number in range(self.rounds):
            started = time.monotonic()
            if number and started - begun + last > self.share:
                say(f"no time for more than {number} rounds of {workload.name}")
                break
            for name, server, port in running:
                with server.at_work():
                    self.one_turn(workload, name, server, port, number)
            last = time.monotonic() - started
        self.stand.stop(*(server for name, server, _ in running if name != report.DIRECT))

    def one_turn(self, workload, name, server, port, number):
        seen = load.check(port, workload)
        begun, (busy, stolen) = time.monotonic(), busy_seconds()
        before, behind = server.cpu(), self.upstream.cpu()
        turn = load.turn(port, workload, self.seconds)
        spent, behind = server.cpu() - before, self.upstream.cpu() - behind
        busy, stolen = (now - then for now, then in zip(busy_seconds(), (busy, stolen)))
        capacity = (time.monotonic() - begun) * self.results.facts["cores"]
        known = turn.generator_cpu + spent + (0 if name == report.DIRECT else behind)
        server.forget_log()
        self.results.turns.append({
            "workload": workload.name, "peer": name, "round": number, "checked": seen,
            "requests": turn.requests, "seconds": turn.seconds, "rate": turn.rate,
            "other": turn.other, "cpu_us": spent / turn.requests * 1e6,
            "upstream_cpu_us": behind / turn.requests * 1e6, "generator": turn.generator_cpu,
            "others": max(0.0, busy - known) / capacity, "stolen": stolen / capacity})
        say(f"{workload.name:8} {number + 1} {name:15} {turn.rate:10,.0f}/s "
            f"{spent / turn.requests * 1e6:8.1f} µs")

    def latencies(self):
        """At a rate that is the same for all: half of what nginx did, unless one is given."""
        half = self.results.middle("get", "nginx", "rate") or 10_000
        self.results.rate = rate = self.arguments.rate or max(100, int(half / 2) // 100 * 100)
        running = [(each.name, *self.launch(each)) for each in self.gateways]
        for _ in range(self.rounds):
            for name, server, place in running:
                with server.at_work():
                    load.check(place.port, load.WORKLOADS[0])
                    before = server.cpu()
                    seen = load.open_loop(self.open_loop, place.port, rate, self.seconds)
                    spent = (server.cpu() - before) / seen["sent"] * 1e6
                if set(seen["statuses"]) != {"200"}:
                    raise Failure(f"latency: {name} answered with {seen['statuses']}")
                self.results.latency.append({"peer": name, "cpu_us": spent, **seen})
                say(f"latency {name:15} {seen['latency']}")
        self.stand.stop(*(server for _, server, _ in running))

    def memories(self):
        sizes = memory.Sizes(500, 4000, 2) if self.quick else memory.Sizes(2000, 5000, 4)
        sizes.connections = min(sizes.connections, raise_file_limit() // 4)
        self.results.memory = memory.measure(
            self.stand, lambda peer: self.launch(peer, keys=2 * sizes.keys), self.gateways,
            self.open_loop, sizes)


def answers_http2(port):
    try:
        return load.by_h2load(port, 1) == {200: 1}
    except (Failure, AttributeError):
        return False
