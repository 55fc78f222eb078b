"""What a gateway's memory grows by: at rest, for each idle connection, for each live key.

Proportional memory (PSS) of the whole tree is what grows: pages that processes share are counted
once, nginx's shared zone too. Memory that the kernel holds for sockets is in none of it.
"""

import dataclasses
import re
import socket
import time
import urllib.request

import load
from processes import Failure

SETTLE = 1.0  # seconds for a gateway to come to rest
WINDOW = 7.0  # seconds after which a window of 5 s is empty and swept
WARM = 100  # services that are asked for before anything is measured


@dataclasses.dataclass
class Sizes:
    """How much is held at once."""

    connections: int
    rate: int
    seconds: int

    @property
    def keys(self):
        return self.rate * self.seconds


def ask(stream, number):
    """One GET over a connection that stays open."""
    stream.sendall((f"GET {load.service_path(number % WARM)} HTTP/1.1\r\nHost: gateway\r\n"
                    f"Authorization: {load.LOGIN}\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"}"):
        piece = stream.recv(8192)
        if not piece:
            raise Failure(f"a connection was closed: {answer[:200]!r}")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200"):
        raise Failure(f"another answer than 200: {answer[:200]!r}")


def at_rest(server):
    time.sleep(SETTLE)
    resident, proportional = server.memory()
    return {"idle resident": resident, "idle proportional": proportional}


def per_connection(server, port, count):
    """Bytes for each of `count` connections that have asked once and stay."""
    with socket.create_connection(("127.0.0.1", port)) as first:
        ask(first, 0)
        time.sleep(SETTLE)
        before, streams = server.memory()[1], []
        try:
            for number in range(count):
                streams.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                ask(streams[-1], number)
            time.sleep(SETTLE)
            return (server.memory()[1] - before) / count
        finally:
            for stream in streams:
                stream.close()


def live_keys(admin):
    """What maskgate itself counts."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as page:
        text = page.read().decode()
    return int(float(re.search(r"^maskgate_live_keys (\S+)$", text, re.M).group(1)))


def warm(program, port):
    """Whatever grows with load but not with keys has grown."""
    load.open_loop(program, port, 2000, 1, services=WARM)


def keys(server, place, program, sizes, counts):
    """Asks once for each of many services: memory before, after, and the keys that are alive."""
    before = server.memory()[1]
    seen = load.open_loop(program, place.port, sizes.rate, sizes.seconds, first=1_000_000,
                          services=sizes.keys)
    if set(seen["statuses"]) != {"200"}:
        raise Failure(f"{server.name}: keys: answered with {seen['statuses']}")
    after = server.memory()[1]
    alive = live_keys(place.admin) if counts else seen["sent"]
    return before, after, alive, time.monotonic()


def measure(stand, launch, gateways, program, sizes):
    """All of it, for each gateway; `launch(peer)` starts one and answers with it and its place."""
    found, filled = {}, []
    for peer in gateways:
        server, place = launch(peer)
        with server.at_work():
            result = found[peer.name] = at_rest(server)
            result["per idle connection"] = per_connection(server, place.port, sizes.connections)
        stand.stop(server)
        if peer.limits:
            server, place = launch(peer)
            with server.at_work():
                warm(program, place.port)
                time.sleep(SETTLE)
                grown = keys(server, place, program, sizes, peer.name == "maskgate")
            filled.append((server, result, grown))
    for server, result, (before, after, alive, when) in filled:
        time.sleep(max(0.0, when + WINDOW - time.monotonic()))
        result["keys alive"] = alive
        result["per key hit once"] = (after - before) / alive
        result["left after the window"] = (server.memory()[1] - before) / alive
        stand.stop(server)
    return found
