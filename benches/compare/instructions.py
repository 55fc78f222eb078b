#!/usr/bin/env python3
"""How many instructions and system calls maskgate takes for a request.

    benches/compare/instructions.py [--check] [BINARY]

Neither is a time, so a busy machine does not matter: two builds can be compared with one run each.
One worker stands in front of nginx; 32 connections each send a request, then all answers are read,
and again, for 256 services in turn, or for one that is far over its limit. callgrind counts user
space, and strace system calls, of all threads but the main one, which only starts the rest; what a
short run took, in which every service is met for the first time, is taken off a longer one's. callgrind counts a
copy of some kB by its bytes, so a large one looks dearer than it is. The profile of the longer run
stays in `target/instructions/`: `callgrind_annotate target/instructions/get-03`.

With --check, which CI runs, more instructions than `BOUNDS` are a failure. Whoever brings a number down
lowers its bound with it; whoever has to raise one says in the commit what it buys. They are a
tenth above what was found, as the C library picks its routines by the processor.

Takes about a minute. Needs nginx, valgrind, strace and a release build; loopback only.
"""

import os
import pathlib
import re
import signal
import socket
import sys
import time

import load
import upstream
from processes import Failure
from processes import Stand
from processes import find
from processes import free_port
from processes import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILES = ROOT / "target/instructions"
CONNECTIONS = 32
SERVICES = 256
SHORT, LONG = 16, 80  # rounds
SLOW = 240  # seconds that a start under valgrind may take
FIELDS = f"Host: gateway\r\nAuthorization: {load.LOGIN}\r\nUser-Agent: twilio-python/9.13.0 " \
    "(Linux x86_64) Python/3.11\r\nAccept: application/json\r\nAccept-Charset: utf-8\r\n" \
    "Accept-Encoding: gzip, deflate\r\n"


def get(number):
    service = f"KS{number % SERVICES:032x}"
    return f"GET /v1/Services/{service} HTTP/1.1\r\n{FIELDS}\r\n"


def post(number):
    service = f"KS{number % SERVICES:032x}"
    form = f"Content-Type: {load.FORM_TYPE}\r\nContent-Length: {len(load.FORM)}\r\n"
    return f"POST /v1/Services/{service}/Sessions HTTP/1.1\r\n{FIELDS}{form}\r\n{load.FORM}"


def limited(_):
    return get(0)


REQUESTS = {"get": get, "post": post, "429": limited}
BOUNDS = {"get": 42_500, "post": 61_500, "429": 37_000}  # instructions


def connect(port):
    until = time.monotonic() + SLOW
    while True:
        try:
            stream = socket.create_connection(("127.0.0.1", port), timeout=SLOW)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return stream
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise Failure("the gateway does not listen") from None
            time.sleep(0.1)


def read_answer(stream):
    text = b""
    while True:
        piece = stream.recv(65536)
        if not piece:
            raise Failure(f"an answer broke off: {text!r}")
        text += piece
        head, end, body = text.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and length and len(body) >= int(length[1]):
            if not head.startswith((b"HTTP/1.1 20", b"HTTP/1.1 429")):
                raise Failure(head.decode(errors="replace"))
            return


def send(port, request, rounds):
    streams = [connect(port) for _ in range(CONNECTIONS)]
    for each in range(rounds):
        for number, stream in enumerate(streams):
            stream.sendall(request(each * CONNECTIONS + number).encode())
        for stream in streams:
            read_answer(stream)
    for stream in streams:
        stream.close()


def run(stand, origin, command, request, rounds):
    """Runs so many rounds against a gateway under a tool, and waits for the end of both."""
    port, configuration = free_port(), stand.folder / "maskgate.yaml"
    configuration.write_text(f"""
listen: {{ address: '127.0.0.1:{port}' }}
admin: {{ address: '127.0.0.1:{free_port()}' }}
upstream: {{ url: 'http://127.0.0.1:{origin}' }}
workers: 1
""")
    server = stand.start("maskgate", [*command, "run", "--config", configuration])
    with server.at_work():
        send(port, request, rounds)
    # strace ends when what it watches does; valgrind is one process with it.
    os.kill(tree(server.process.pid)[-1], signal.SIGTERM)
    server.process.wait(SLOW)


def instructions(stand, origin, binary, name, rounds):
    """Of all threads but the first."""
    out = PROFILES / name
    for each in PROFILES.glob(f"{name}-*"):
        each.unlink()
    tool = [find("valgrind"), "--tool=callgrind", "--separate-threads=yes",
            f"--callgrind-out-file={out}"]
    run(stand, origin, [*tool, binary], REQUESTS[name], rounds)
    texts = [each.read_text() for each in sorted(PROFILES.glob(f"{name}-*"))[1:]]
    return sum(int(re.search(r"^totals: (\d+)", text, re.MULTILINE)[1]) for text in texts)


def system_calls(stand, origin, binary, name, rounds):
    out = stand.folder / "calls"
    run(stand, origin, [find("strace"), "-c", "-f", "-o", out, binary], REQUESTS[name], rounds)
    rows = (line.split() for line in out.read_text().splitlines())
    return sum(int(row[3]) for row in rows if len(row) > 4 and row[3].isdigit() and row[-1] != "total")


def main():
    words = [word for word in sys.argv[1:] if word != "--check"]
    binary = pathlib.Path(words[0] if words else ROOT / "target/release/maskgate")
    PROFILES.mkdir(parents=True, exist_ok=True)
    requests, over = (LONG - SHORT) * CONNECTIONS, []
    print(f"{'':>6}{'instructions':>14}{'system calls':>14}")
    with Stand() as stand:
        _, origin = upstream.start(stand)
        for name in REQUESTS:
            figures = []
            for count in (instructions, system_calls):
                few, many = (count(stand, origin, binary.resolve(), name, rounds)
                             for rounds in (SHORT, LONG))
                figures.append((many - few) / requests)
            print(f"{name:>6}{figures[0]:14.0f}{figures[1]:14.2f}", flush=True)
            if figures[0] > BOUNDS[name]:
                over.append(f"{name}: {figures[0]:.0f} instructions, at most {BOUNDS[name]}")
    if over and "--check" in sys.argv:
        sys.exit("\n".join(over))


if __name__ == "__main__":
    main()
