#!/usr/bin/env python3
"""How long the first count of a service's numbers takes, and what it costs others meanwhile.

    benches/compare/count.py [NUMBERS]

A backend with NUMBERS (5,500) numbers in one service stands behind a gateway that has just
started. Two clients ask for other things all the time; one then adds a number, for which the
gateway reads the whole list first. Prints how long that one took, how many pages it was, and the
median, p99 and longest answer of the others without and during counts. Five gateways, one after
another. Takes about a minute. Needs a release build; loopback only.
"""

import base64
import http.client
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/maskgate"
BACKEND, PROXY, ADMIN = 19490, 19491, 19492
LOGIN = base64.b64encode(b"AC00000000000000000000000000000001:x").decode()
FIELDS = {"authorization": f"Basic {LOGIN}", "content-type": "application/x-www-form-urlencoded"}
ROUNDS, ALONE = 5, 3.0


def start(*command):
    """A program that stands; killed by `stop`."""
    return subprocess.Popen([PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Client:
    """One connection that waits until somebody listens."""

    def __init__(self, port):
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                self.connection.connect()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ask(self, method, path, **form):
        body = urllib.parse.urlencode(form) if method == "POST" else None
        self.connection.request(method, path, body, FIELDS)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def fill(numbers):
    """A service with so many numbers; its path."""
    client = Client(BACKEND)
    status, body = client.ask("POST", "/v1/Services", UniqueName="full")
    assert status == 201, body
    path = "/v1/Services/" + body.decode().split('"sid":"', 1)[1][:34]
    for index in range(numbers):
        reserved = "true" if index % 11 else "false"
        status, body = client.ask("POST", f"{path}/PhoneNumbers",
                                  PhoneNumber=f"+1415{index:07}", IsReserved=reserved)
        assert status == 201, body
    return path


def others(until, latencies):
    """Asks for another service's sessions, one behind the other, until it is told to stop."""
    client, turn = Client(PROXY), 0
    while not until.is_set():
        turn += 1
        begun = time.perf_counter()
        client.ask("GET", f"/v1/Services/KS{turn:032x}/Sessions")
        latencies.append((begun, time.perf_counter() - begun))


def counts():
    with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/metrics") as answer:
        text = answer.read().decode()
    line = 'maskgate_pool_counts_total{result="counted"} '
    return int(next(each for each in text.splitlines() if each.startswith(line))[len(line):])


def one_round(path, number):
    gateway = start("run", "--upstream", f"http://127.0.0.1:{BACKEND}",
                    "--listen", f"127.0.0.1:{PROXY}", "--admin", f"127.0.0.1:{ADMIN}")
    until, latencies = threading.Event(), []
    asking = [threading.Thread(target=others, args=(until, latencies)) for _ in range(2)]
    try:
        client = Client(PROXY)
        for each in asking:
            each.start()
        time.sleep(ALONE)
        begun = time.perf_counter()
        status, body = client.ask("POST", f"{path}/PhoneNumbers",
                                  PhoneNumber=number, IsReserved="true")
        ended = time.perf_counter()
        assert status in (201, 400), body
        assert counts() == 1, "it was not counted"
    finally:
        until.set()
        for each in asking:
            each.join()
        stop(gateway)
    during = [taken for at, taken in latencies if begun <= at <= ended]
    alone = [taken for at, taken in latencies if at < begun - 0.2]
    return ended - begun, alone, during


def row(name, seconds):
    seconds = sorted(seconds)
    p99 = seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]
    figures = (statistics.median(seconds), p99, seconds[-1])
    print(f"{name:>16}: {len(seconds):6} answers, median, p99, longest:",
          ", ".join(f"{figure * 1e3:.2f}" for figure in figures), "ms")


def main():
    numbers = int(sys.argv[1]) if len(sys.argv) > 1 else 5_500
    if not PROGRAM.exists():
        sys.exit("count.py: build it first: cargo build --release")
    backend = start("backend", "--listen", f"127.0.0.1:{BACKEND}")
    try:
        path = fill(numbers)
        rounds = [one_round(path, f"+1999{turn:07}") for turn in range(ROUNDS)]
    finally:
        stop(backend)
    taken = sorted(each[0] for each in rounds)
    print(f"the first count of {numbers} numbers, {-(-numbers // 100)} pages and a change: "
          f"median {statistics.median(taken) * 1e3:.0f} ms ({taken[0] * 1e3:.0f} to {taken[-1] * 1e3:.0f})")
    row("others, alone", [each for turn in rounds for each in turn[1]])
    row("others, meanwhile", [each for turn in rounds for each in turn[2]])


if __name__ == "__main__":
    main()
