"""What is asked, and by whom: single requests that are looked at, and the load generators.

The generators are wrk (HTTP/1.1), h2load (HTTP/2), and `open_loop` beside this file, which keeps
to a rate whatever the answers take.
"""

import base64
import collections
import dataclasses
import http.client
import json
import pathlib
import re
import resource
import ssl
import subprocess
import urllib.parse

from processes import Failure
from processes import find

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNT = "AC00000000000000000000000000000001"
LOGIN = "Basic " + base64.b64encode(f"{ACCOUNT}:x".encode()).decode()
SERVICES = 10_000
CONNECTIONS = 32
THREADS = 2
STREAMS = 4
FORM_TYPE = "application/x-www-form-urlencoded"
FORM = urllib.parse.urlencode([
    ("UniqueName", "order 1234567 of 1 January"), ("Ttl", "3600"), ("Mode", "voice-and-message"),
    ("Participants", '{"Identifier": "+15558675310", "FriendlyName": "Alice Müller"}'),
    ("Participants", '{"Identifier": "+15558675311", "FriendlyName": "Bob"}'),
])


def service_path(number):
    return f"/v1/Services/KS{number:032x}"


@dataclasses.dataclass
class Workload:
    """What is asked of a gateway, and what has to come back."""

    name: str
    what: str
    status: int
    post: bool = False
    services: int = SERVICES
    close: bool = False
    tls: bool = False
    http2: bool = False
    relayed: bool = True  # a relay and the upstream itself can serve it too


WORKLOADS = [
    Workload("get", "forwarded GET, 10,000 services", 200),
    Workload("post", "forwarded form POST (CreateSession)", 201, post=True),
    Workload("limited", "429: one service far over its limit", 429, services=1, relayed=False),
    Workload("connect", "GET, a new connection each", 200, close=True),
    Workload("tls", "GET over TLS, kept connections", 200, tls=True, relayed=False),
    Workload("http2", f"GET over HTTP/2, {STREAMS} streams a connection", 200, http2=True,
             relayed=False),
]


@dataclasses.dataclass
class Turn:
    """What a generator saw in one turn."""

    requests: int
    seconds: float
    other: int  # answers that are no 2xx
    generator_cpu: float  # seconds

    @property
    def rate(self):
        return self.requests / self.seconds


def connect(port, tls):
    if tls:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


def answers(port, tls=False):
    """Whether something is answered there."""
    try:
        connection = connect(port, tls)
        connection.request("GET", service_path(SERVICES), headers={"Authorization": LOGIN})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def one_by_one(port, workload, count):
    """Sends `count` of a workload's requests; answers with how many had which status."""
    if workload.http2:
        return by_h2load(port, count)
    connection, seen = connect(port, workload.tls), collections.Counter()
    for number in range(count):
        path = service_path(number % workload.services)
        headers = {"Authorization": LOGIN}
        if workload.close:
            headers["Connection"] = "close"
        if workload.post:
            headers["Content-Type"] = FORM_TYPE
            connection.request("POST", f"{path}/Sessions", FORM, headers)
        else:
            connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status in (200, 201) and f"{number % workload.services:032x}" not in body.decode():
            raise Failure(f"another answer than the upstream's: {body!r}")
        seen[answer.status] += 1
    return dict(seen)


def by_h2load(port, count):
    out = generator(["h2load", "-n", count, "-c1", "-m1", "-H", f"authorization: {LOGIN}",
                     f"http://127.0.0.1:{port}{service_path(0)}"], 20)[0]
    twos, threes, fours, fives = map(int, re.search(
        r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out).groups())
    return {code: n for code, n in ((200, twos), (300, threes), (400, fours), (500, fives)) if n}


def check(port, workload, count=50):
    """The answers are what they have to be, or there is nothing to measure."""
    if workload.status == 429:
        one_by_one(port, workload, 400)
    seen = one_by_one(port, workload, count)
    # A service far over its limit is still let through 30 times a second.
    right = seen.get(workload.status, 0) + (seen.get(200, 0) if workload.status == 429 else 0)
    if right < count or seen.get(workload.status, 0) < count / 2:
        raise Failure(f"{workload.name}: answered with {seen}, not with {workload.status}")
    return seen


def generator(command, seconds, said=None):
    """Runs a generator to its end; answers with its output and its CPU time in seconds."""
    command = [find(command[0]) or command[0], *map(str, command[1:])]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds,
                              input=said, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end within {seconds} s") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Failure(f"{command[0]}: {done.stdout}{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, used


def wrk(port, workload, seconds):
    scheme = "https" if workload.tls else "http"
    out, used = generator(
        ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "requests.lua",
         f"{scheme}://127.0.0.1:{port}", "--", "post" if workload.post else "get",
         workload.services, LOGIN, FORM, "close" if workload.close else "keep"], seconds + 20)
    if "Socket errors" in out:
        raise Failure(f"not every request was answered:\n{out}")
    requests, took = re.search(r"(\d+) requests in ([\d.]+\w+)", out).groups()
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    took = float(took.removesuffix("s"))
    return Turn(int(requests), took, int(other.group(1)) if other else 0, used)


def h2load(port, workload, seconds):
    paths = "\n".join(service_path(number) for number in range(workload.services))
    out, used = generator(
        ["h2load", f"-t{THREADS}", "-c", CONNECTIONS // STREAMS, "-m", STREAMS, "-D", seconds,
         "-H", f"authorization: {LOGIN}", "-B", f"http://127.0.0.1:{port}", "-i", "-"],
        seconds + 20, paths)
    done, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", out).groups())
    twos = int(re.search(r"status codes: (\d+) 2xx", out).group(1))
    return Turn(done + failed, seconds, done + failed - twos, used)


def open_loop(program, port, rate, seconds, first=0, services=SERVICES):
    """`rate` GETs a second, come what may, for services from `first` on; answers with what
    `open_loop` tells, and `cpu`, its own CPU time in seconds."""
    out, used = generator([program, f"127.0.0.1:{port}", rate, seconds, CONNECTIONS, first,
                           services, LOGIN], 2 * seconds + 20)
    return json.loads(out) | {"cpu": used}


def turn(port, workload, seconds):
    """One turn of load, and whether it was answered as it has to be."""
    seen = (h2load if workload.http2 else wrk)(port, workload, seconds)
    wrong = seen.requests - seen.other if workload.status == 429 else seen.other
    # 150 that were due at the start, and 30 a second.
    allowed = 200 + 40 * seconds if workload.status == 429 else 0
    if wrong > allowed or not seen.requests:
        raise Failure(f"{workload.name}: {wrong} of {seen.requests} answers are not as they must be")
    return seen
