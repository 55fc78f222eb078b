"""What does the SDK make of a 429, and do the README's settings get everything through?"""

import concurrent.futures
import datetime
import json
import time
import unittest

from support import Demo
from support import DemoCase
from support import new_account
from support import patient_client
from twilio.base.exceptions import TwilioException
from twilio.base.exceptions import TwilioRestException

ALLOWED = 150
WINDOW = 5.0
# A third of the API's rate, so that a slow machine asks for more than it too.
FEW = 50
CONFIG = """
upstream: { url: http://127.0.0.1:9 }
limits: { rate: { requests_per_second: 10 } }
log: { access: all }
"""


class WithoutRetries(DemoCase):
    def fetch_until_refused(self, service):
        """How many were answered before, and the refusal."""
        for answered in range(ALLOWED + 1):
            try:
                service.fetch()
            except TwilioRestException as refusal:
                return answered, refusal
        self.fail(f"{ALLOWED + 1} were answered")

    def test_20429_the_151st_is_refused_and_says_what_and_how_long(self):
        service, other = self.service(), self.service("other")
        begun = time.monotonic()
        answered, refusal = self.fetch_until_refused(service)
        self.assertLess(time.monotonic() - begun, WINDOW, "too slow a machine for this test")
        self.assertEqual((answered, refusal.status, refusal.code), (ALLOWED, 429, 20429))
        self.assertIn("FetchService", refusal.msg)
        self.assertRegex(refusal.msg, r"retry after [1-5] s")
        # Other endpoints and other services have windows of their own.
        self.assertEqual(service.sessions.list(), [])
        other.fetch()

    def test_20429_a_refused_list_is_an_exception_without_a_code(self):
        sessions = self.service().sessions
        with self.assertRaises(TwilioException) as raised:
            for _ in range(ALLOWED + 1):
                sessions.list()
        answer = raised.exception.args[1]
        self.assertEqual((answer.status_code, json.loads(answer.text)["code"]), (429, 20429))
        self.assertIn(answer.headers["Retry-After"], ("1", "2", "3", "4", "5"))
        self.assertEqual(answer.headers["RateLimit-Policy"], '"endpoint";q=150;w=5')


class WithTheReadmesSettings(unittest.TestCase):
    def test_eight_threads_create_20_each_and_never_more_than_50_in_5_seconds(self):
        demo = Demo(config=CONFIG)
        self.addCleanup(demo.stop)
        client = patient_client(demo, new_account())
        service = client.proxy.v1.services.create(unique_name="patient")
        sessions = client.proxy.v1.services(service.sid).sessions

        def create(thread):
            return [sessions.create(unique_name=f"{thread}/{number}").sid for number in range(20)]

        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            made = [sid for sids in threads.map(create, range(8)) for sid in sids]
        self.assertEqual(len(set(made)), 160)
        self.assertEqual({each.sid for each in sessions.stream(page_size=100)}, set(made))
        self.assertEqual(demo.requests("forwarded")["CreateSession"], 160)
        self.assertGreater(demo.requests("limited")["CreateSession"], 0)
        self.assertLessEqual(most_in_a_window(demo.stop()), FEW)


def most_in_a_window(log):
    """The most sessions whose creation lies wholly within some 5 s.

    Each was admitted between its head and the last byte of its answer, so that no more were
    admitted than there may be if this is no more.
    """
    spans = []
    for line in map(json.loads, log):
        if line.get("endpoint") == "CreateSession" and line["decision"] == "forwarded":
            ended = datetime.datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00"))
            spans.append((ended.timestamp() - line["duration_us"] / 1e6, ended.timestamp()))
    assert len(spans) == 160, f"{len(spans)} in the log"
    return max(
        sum(begun <= start and end < begun + WINDOW for start, end in spans) for begun, _ in spans
    )
