#!/usr/bin/env python3
"""Compares the embedded backend with nginx answering a static file of the same size.

    benches/compare/backend.py [ROUNDS]

Starts both on loopback, fetches one Service from each with wrk (32 connections, 4 s a turn, turn
about), and prints requests a second, CPU time a request (user and system of the whole process
tree) and the median of the ratios. Ends by itself after about ROUNDS x 9 s. Needs nginx, wrk and
curl, and a release build.
"""

import base64
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKEND, NGINX = 19380, 19381
ACCOUNT = "AC00000000000000000000000000000001"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(parent):
    """User and system time of a process and its children, in seconds."""
    total = 0.0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if parent in (int(stat.parent.name), int(fields[1])):
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def turn(pid, url, header):
    """One turn of wrk: requests a second and CPU microseconds a request."""
    before = cpu_seconds(pid)
    out = subprocess.run(
        ["wrk", "-t1", "-c32", "-d4s", "-H", header, url],
        check=True, capture_output=True, text=True,
    ).stdout
    spent = cpu_seconds(pid) - before
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"not every request was answered:\n{out}")
    done = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    return rate, spent / done * 1e6


def start_nginx(folder, body):
    """nginx with one worker a core, serving `body` as /svc."""
    (folder / "svc").write_bytes(body)
    (folder / "nginx.conf").write_text(f"""
        worker_processes auto; daemon off; pid {folder}/pid; error_log {folder}/log;
        events {{ worker_connections 4096; }}
        http {{ access_log off; sendfile on; tcp_nopush on; open_file_cache max=100;
               keepalive_requests 100000000; default_type application/json;
               server {{ listen 127.0.0.1:{NGINX}; root {folder}; }} }}
    """)
    return subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf"])


def curl(*arguments):
    return subprocess.run(
        ["curl", "-s", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
         "-u", f"{ACCOUNT}:x", *arguments],
        check=True, capture_output=True,
    ).stdout


def compare(rounds, backend, nginx, path):
    header = "Authorization: Basic " + base64.b64encode(f"{ACCOUNT}:x".encode()).decode()
    ours_url, theirs_url = f"http://127.0.0.1:{BACKEND}{path}", f"http://127.0.0.1:{NGINX}/svc"
    rates, costs = [], []
    print(f"{'round':>5} {'backend/s':>10} {'nginx/s':>10} {'ratio':>6} {'us':>6} {'nginx us':>8} {'ratio':>6}")
    for number in range(1, rounds + 1):
        if number % 2:
            ours, theirs = turn(backend, ours_url, header), turn(nginx, theirs_url, header)
        else:
            theirs, ours = turn(nginx, theirs_url, header), turn(backend, ours_url, header)
        rates.append(ours[0] / theirs[0])
        costs.append(ours[1] / theirs[1])
        print(f"{number:5} {ours[0]:10.0f} {theirs[0]:10.0f} {rates[-1]:6.2f} "
              f"{ours[1]:6.2f} {theirs[1]:8.2f} {costs[-1]:6.2f}", flush=True)
    print(f"median: throughput {statistics.median(rates):.2f} x nginx "
          f"({min(rates):.2f} to {max(rates):.2f}), CPU a request {statistics.median(costs):.2f} x")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    backend = subprocess.Popen(
        [ROOT / "target/release/maskgate", "backend", "--listen", f"127.0.0.1:{BACKEND}"],
        stdout=subprocess.DEVNULL,
    )
    nginx = None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        try:
            made = curl("-d", "UniqueName=shop", f"http://127.0.0.1:{BACKEND}/v1/Services")
            path = f"/v1/Services/{json.loads(made)['sid']}"
            nginx = start_nginx(folder, curl(f"http://127.0.0.1:{BACKEND}{path}"))
            curl("-o", "/dev/null", f"http://127.0.0.1:{NGINX}/svc")
            time.sleep(0.2)
            compare(rounds, backend.pid, nginx.pid, path)
        finally:
            for server in (backend, nginx):
                if server:
                    server.terminate()
                    server.wait(10)


main()
