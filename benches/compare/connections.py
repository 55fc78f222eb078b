#!/usr/bin/env python3
"""What idle connections and half heads cost maskgate, nginx and HAProxy.

    benches/compare/connections.py [IDLE] [HALF]

Each stands as a proxy with two workers in front of the same nginx. IDLE (10,000) connections ask
once and stay: the growth of proportional memory (PSS) of the whole process tree, for each. Then
HALF (1,000) connections send half a head, with 5 s for a whole one: CPU time of the tree for 10 s,
and how long a whole request takes meanwhile. Takes about a minute. Needs nginx, haproxy and a
release build; loopback only.
"""

import base64
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKEND, PROXY, ADMIN = 19480, 19481, 19482
TICK = os.sysconf("SC_CLK_TCK")
LOGIN = base64.b64encode(b"AC00000000000000000000000000000001:x").decode()
REQUEST = (f"GET /v1/Services/KS{0:032x}/Sessions HTTP/1.1\r\nhost: gateway\r\n"
           f"authorization: Basic {LOGIN}\r\n\r\n").encode()


def tree(parent):
    """A process and its children."""
    found = [parent]
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def memory(pid):
    """Proportional memory of the tree, in kB."""
    total = 0
    for each in tree(pid):
        for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def cpu(pid):
    """User and system time of the tree, in seconds."""
    total = 0
    for each in tree(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def connect():
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", PROXY))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ask(stream):
    stream.sendall(REQUEST)
    answer = b""
    while b"{}" not in answer:
        piece = stream.recv(4096)
        if not piece:
            sys.exit(f"no answer: {answer}")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"another answer: {answer}")


def idle(pid, count):
    ask(connect())
    before = memory(pid)
    streams = []
    for _ in range(count):
        streams.append(connect())
        ask(streams[-1])
    time.sleep(2)
    return (memory(pid) - before) / count


def half(pid, count):
    streams = []
    before, begun = cpu(pid), time.monotonic()
    for _ in range(count):
        streams.append(connect())
        streams[-1].sendall(REQUEST[:40])
    whole, took = connect(), []
    while time.monotonic() - begun < 10:
        asked = time.monotonic()
        ask(whole)
        took.append(time.monotonic() - asked)
        time.sleep(0.005)
    took.sort()
    return cpu(pid) - before, took[len(took) * 99 // 100] * 1e3


def backend(folder):
    (folder / "backend.conf").write_text(f"""
        worker_processes 1; daemon off; pid {folder}/backend.pid; error_log {folder}/backend.log;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000000;
               server {{ listen 127.0.0.1:{BACKEND} backlog=4096;
                         location / {{ return 200 "{{}}"; }} }} }}
    """)
    return subprocess.Popen(["nginx", "-c", f"{folder}/backend.conf"])


def maskgate(folder):
    (folder / "maskgate.yaml").write_text(f"""
listen: {{ address: '127.0.0.1:{PROXY}', max_connections: 15000, timeouts: {{ header: 5s }} }}
admin: {{ address: '127.0.0.1:{ADMIN}' }}
workers: 2
upstream: {{ url: 'http://127.0.0.1:{BACKEND}' }}
limits: {{ mode: off }}
log: {{ access: off }}
""")
    return [ROOT / "target/release/maskgate", "run", "--config", folder / "maskgate.yaml"]


def nginx(folder):
    (folder / "nginx.conf").write_text(f"""
        worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        worker_rlimit_nofile 20000;
        events {{ worker_connections 15000; }}
        http {{ access_log off; client_header_timeout 5s; keepalive_timeout 75s;
               keepalive_requests 100000000;
               upstream backend {{ server 127.0.0.1:{BACKEND}; keepalive 64; }}
               server {{ listen 127.0.0.1:{PROXY} backlog=4096;
                         location / {{ proxy_pass http://backend; proxy_http_version 1.1;
                                       proxy_set_header Connection ""; }} }} }}
    """)
    return ["nginx", "-c", f"{folder}/nginx.conf"]


def haproxy(folder):
    (folder / "haproxy.cfg").write_text(f"""
global
    nbthread 2
    maxconn 15000
    ulimit-n 20000
    no strict-limits
    no numa-cpu-mapping
defaults
    mode http
    timeout http-request 5s
    timeout http-keep-alive 75s
    timeout client 75s
    timeout connect 1s
    timeout server 15s
    maxconn 15000
frontend public
    bind 127.0.0.1:{PROXY} backlog 4096
    default_backend upstream
backend upstream
    http-reuse always
    server one 127.0.0.1:{BACKEND}
""")
    return ["haproxy", "-db", "-q", "-f", folder / "haproxy.cfg"]


def end(process):
    process.terminate()
    process.wait(30)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    halves = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        behind = backend(folder)
        try:
            for make in (maskgate, nginx, haproxy):
                results = []
                for measure, n in ((idle, count), (half, halves)):
                    process = subprocess.Popen(make(folder), stderr=subprocess.DEVNULL)
                    try:
                        time.sleep(1)
                        results.append(measure(process.pid, n))
                    finally:
                        end(process)
                kilobytes, (seconds, p99) = results
                print(f"{make.__name__:8} {count} idle: {kilobytes:.1f} kB each; {halves} half "
                      f"heads: {seconds:.2f} s of CPU in 10 s, a whole request's p99 {p99:.1f} ms",
                      flush=True)
        finally:
            end(behind)


main()
