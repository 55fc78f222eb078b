"""A client under `maskgate test` that takes its refusals in one of these ways.

Usage: client.py patient|hasty|meek|crowd|meek-crowd|expecting|turner
"""

import base64
import http.client
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

BASE = os.environ["MASKGATE_URL"]
ADMIN = os.environ["MASKGATE_ADMIN_URL"]
CREDENTIALS = base64.b64encode(b"AC00000000000000000000000000000001:secret").decode()
HEADERS = {
    "Authorization": f"Basic {CREDENTIALS}",
    "User-Agent": "twilio-python/9.13.0 (Linux x86_64) Python/3.11.7",
}
FORM = HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}


def create(number):
    """Makes a service."""
    form = urllib.parse.urlencode({"UniqueName": f"shop {number:02}"}).encode()
    return send(urllib.request.Request(f"{BASE}/v1/Services", form, HEADERS))


def page():
    """Reads a page of services."""
    return send(urllib.request.Request(f"{BASE}/v1/Services", None, HEADERS))


def send(request):
    """Answers with the status, and with Retry-After where it is refused."""
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        error.read()
        return error.code, int(error.headers.get("Retry-After", 0))


def patient():
    """Waits as it is told, before anything else is sent."""
    for number in range(15):
        status, wait = create(number)
        while status == 429:
            time.sleep(wait)
            status, wait = create(number)
        assert status == 201, status


def hasty():
    """Sends the refused call again at once, twice, and then gives it up; like the SDKs over the
    connection that it has."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE).netloc)
    for number in range(11):
        form = urllib.parse.urlencode({"UniqueName": f"shop {number:02}"}).encode()
        for _ in range(3):
            connection.request("POST", "/v1/Services", form, FORM)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 429:
                break


def meek():
    """Never sends a refused call again."""
    for number in range(15):
        create(number)


def at_once(thread):
    """Fills the window, then runs four threads at once."""
    for _ in range(10):
        page()
    threads = [threading.Thread(target=thread) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def crowd():
    """Makes equal calls at once, and each of them waits as it is told."""

    def call():
        status, wait = page()
        while status == 429:
            time.sleep(wait)
            status, wait = page()

    at_once(call)


def meek_crowd():
    """Makes equal calls at once, and sends no refused one again."""
    at_once(page)


def expecting():
    """Waits to be asked for a body, and is refused instead."""
    for _ in range(10):
        create(0)
    for _ in range(2):
        with socket.create_connection(urllib.parse.urlsplit(BASE).netloc.split(":")) as stream:
            head = {**FORM, "Host": "a", "Content-Length": 10, "Expect": "100-continue"}
            lines = ["POST /v1/Services HTTP/1.1", *(f"{name}: {head[name]}" for name in head)]
            stream.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = stream.recv(4096)
            assert answer.startswith(b"HTTP/1.1 429 "), answer


def turn(seconds):
    """Turns the clock."""
    path = f"{ADMIN}/clock/advance?by={seconds}s"
    urllib.request.urlopen(urllib.request.Request(path, method="POST")).read()


def turner():
    """Turns the clock by what it is told to wait."""
    for number in range(151):
        status, wait = create(number)
        if status == 429:
            turn(wait)
            status, wait = create(number)
        assert status == 201, status


WAYS = {
    "patient": patient,
    "hasty": hasty,
    "meek": meek,
    "crowd": crowd,
    "meek-crowd": meek_crowd,
    "expecting": expecting,
    "turner": turner,
}
WAYS[sys.argv[1]]()
