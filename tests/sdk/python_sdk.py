"""A real client behind the gateway: it creates a session, meets a 429, waits and succeeds.

Usage: python_sdk.py MASKGATE_BINARY
"""

import subprocess
import sys
import time
import unittest

from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.util import Retry

ACCOUNT = "AC00000000000000000000000000000001"
BINARY = sys.argv.pop(1)


class ThroughTheGateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [BINARY, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        cls.demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first = cls.demo.stdout.readline()
        cls.url = next(word for word in first.split() if word.startswith("http://"))

    @classmethod
    def tearDownClass(cls):
        cls.demo.terminate()
        assert cls.demo.wait(timeout=30) == 0
        cls.demo.stdout.close()

    def client(self, password="demo", http_client=None):
        client = Client(ACCOUNT, password, http_client=http_client)
        client.proxy.base_url = self.url
        return client

    def test_a_session_is_created_and_fetched(self):
        proxy = self.client().proxy.v1
        service = proxy.services.create(unique_name="créateur 🚕")
        sessions = proxy.services(service.sid).sessions
        session = sessions.create(unique_name="order #1", ttl=3600)
        self.assertEqual(sessions(session.sid).fetch().unique_name, "order #1")
        self.assertEqual([each.sid for each in sessions.list()], [session.sid])

    def test_a_429_is_an_exception_with_its_code_and_waiting_as_told_helps(self):
        service = self.client().proxy.v1.services.create(unique_name="limited")
        context = self.client().proxy.v1.services(service.sid)
        with self.assertRaises(TwilioRestException) as raised:
            for _ in range(400):
                context.fetch()
        self.assertEqual((raised.exception.status, raised.exception.code), (429, 20429))
        self.assertIn("FetchService", raised.exception.msg)
        wait = int(raised.exception.msg.split("retry after ")[1].split()[0])
        time.sleep(wait)
        self.assertEqual(context.fetch().sid, service.sid)

    def test_the_settings_of_the_readme_outlast_a_spent_window(self):
        http = TwilioHttpClient()
        retry = Retry(total=5, status_forcelist=[429], allowed_methods=None, raise_on_status=False)
        http.session.mount("http://", HTTPAdapter(max_retries=retry))
        service = self.client().proxy.v1.services.create(unique_name="patient")
        sessions = self.client(http_client=http).proxy.v1.services(service.sid).sessions
        for number in range(170):
            sessions.create(unique_name=f"order {number}")

    def test_a_field_out_of_range_is_an_exception_that_names_it(self):
        service = self.client().proxy.v1.services.create(unique_name="fields")
        with self.assertRaises(TwilioRestException) as raised:
            self.client().proxy.v1.services(service.sid).sessions.create(ttl=0)
        self.assertEqual((raised.exception.status, raised.exception.code), (400, 80701))
        self.assertIn("'Ttl'", raised.exception.msg)

    def test_the_password_wrong_is_refused_by_the_backend(self):
        with self.assertRaises(TwilioRestException) as raised:
            self.client("wrong").proxy.v1.services.create(unique_name="x")
        self.assertEqual((raised.exception.status, raised.exception.code), (401, 20003))


if __name__ == "__main__":
    unittest.main(verbosity=2)
