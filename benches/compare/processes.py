"""What runs beside the harness: servers that are started, watched and ended by their ids.

Invariant: whatever a `Stand` has started is ended, and its folder removed, when it is left, however
it is left.
"""

import contextlib
import dataclasses
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PROC = pathlib.Path("/proc")


class Failure(Exception):
    """Something is not as it has to be for a figure to mean anything."""


def find(program):
    """Where a program is, also in the folders that only root's PATH has; None if nowhere."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stat_fields(pid):
    """/proc/PID/stat behind the name: state, parent, …; None if the process has gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def tree(leader):
    """The processes of the session that `leader` began, itself first: also those whose parent has
    gone."""
    found = []
    for folder in PROC.glob("[0-9]*"):
        fields = stat_fields(folder.name)
        if fields and int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return sorted(found)


@dataclasses.dataclass
class Server:
    """A running server and all its processes."""

    name: str
    process: subprocess.Popen
    log: pathlib.Path

    def cpu(self):
        """User and system time of all its processes and threads so far, in seconds."""
        total = 0
        for pid in tree(self.process.pid):
            # Of the whole process: threads that have ended are in it too.
            fields = stat_fields(pid)
            total += sum(map(int, fields[11:13])) if fields else 0
        return total / TICK

    def memory(self):
        """Resident and proportional memory (pages that are shared counted once), in bytes."""
        total = {"Rss:": 0, "Pss:": 0}
        for pid in tree(self.process.pid):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                words = line.split()
                if words[0] in total:
                    total[words[0]] += int(words[1]) * 1024
        return total["Rss:"], total["Pss:"]

    def check(self):
        """It still runs."""
        if self.process.poll() is not None:
            text = self.log.read_text(errors="replace")[-2000:]
            raise Failure(f"{self.name} has ended with {self.process.returncode}:\n{text}")

    @contextlib.contextmanager
    def at_work(self):
        """Where something fails because it has ended, its end is the failure that is told."""
        try:
            yield
        except Exception:
            self.check()
            raise
        self.check()

    def forget_log(self):
        """Empties its log: refusals are written there, a hundred thousand in a turn."""
        os.truncate(self.log, 0)


class Stand:
    """A folder for configurations and logs, and the servers that run."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="maskgate-compare-"))
        # nginx's workers run as another user where root starts it.
        self.folder.chmod(0o755)
        self.servers = []
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not leave half of them running.
        before = [(each, signal.signal(each, signal.SIG_IGN))
                  for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.stop(*self.servers)
        shutil.rmtree(self.folder, ignore_errors=True)
        for each, handler in before:
            signal.signal(each, handler)

    def start(self, name, command):
        log = self.folder / f"{name}.log"
        # In a session of its own: Ctrl-C reaches this harness alone, which then ends it.
        with open(log, "ab") as out:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True,
            )
        server = Server(name, process, log)
        self.servers.append(server)
        return server

    def stop(self, *servers):
        """Ends servers: asks, waits, and kills what is left of each one's tree."""
        for each in servers:
            each.process.terminate()
        until = time.monotonic() + 8
        for each in servers:
            try:
                each.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            for pid in tree(each.process.pid):
                kill(pid)
            each.process.wait(5)
        self.servers = [each for each in self.servers if each not in servers]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def say(line):
    """A word on how far it is; results go to standard output, this does not."""
    print(line, file=sys.stderr, flush=True)


def busy_seconds():
    """What all processors have worked so far, and what the hypervisor has kept from them."""
    words = (PROC / "stat").read_text().splitlines()[0].split()
    user, nice, system, _, _, irq, soft, stolen = map(int, words[1:9])
    return (user + nice + system + irq + soft) / TICK, stolen / TICK


def raise_file_limit():
    """As many open files as the user may have; answers with how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def wait_for(condition, server, what, seconds=15):
    """Waits until `condition()` is true while `server` runs."""
    until = time.monotonic() + seconds
    while not condition():
        server.check()
        if time.monotonic() > until:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.02)
