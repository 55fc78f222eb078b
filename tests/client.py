"""A client under `maskgate test` that takes its refusals in one of these ways.

Usage: client.py patient|hasty|meek|turner
"""

import base64
import os
import sys
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


def create(number):
    """Makes a service; answers with the status, and with Retry-After where it is refused."""
    form = urllib.parse.urlencode({"UniqueName": f"shop {number:02}"}).encode()
    request = urllib.request.Request(f"{BASE}/v1/Services", form, HEADERS)
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
    """Sends the refused call again at once, twice, and then gives it up."""
    for number in range(11):
        for _ in range(3):
            if create(number)[0] != 429:
                break


def meek():
    """Never sends a refused call again."""
    for number in range(15):
        create(number)


def turner():
    """Turns the clock by what it is told to wait."""
    for number in range(151):
        status, wait = create(number)
        if status == 429:
            turn = urllib.request.Request(f"{ADMIN}/clock/advance?by={wait}s", method="POST")
            urllib.request.urlopen(turn).read()
            status, wait = create(number)
        assert status == 201, status


{"patient": patient, "hasty": hasty, "meek": meek, "turner": turner}[sys.argv[1]]()
