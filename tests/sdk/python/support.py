"""A demo of a test's own, and clients of it; each client has an account of its own."""

import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

ROOT = pathlib.Path(__file__).resolve().parents[3]
ANN, BOB, CARL = "+14155550101", "+14155550102", "+14155550103"
NUMBER, OTHER_NUMBER = "+14155559999", "+14155559998"
SHORT_CODE = "SC0123456789abcdef0123456789abcdef"

_serial = itertools.count(1)


def new_account():
    """An account that nobody has used: a world without anything in it."""
    return f"AC{next(_serial):032x}"


class Demo:
    """`maskgate demo` on free ports, until `stop`."""

    def __init__(self, *options, config=None):
        command = [os.environ["MASKGATE"], "demo", "--listen", "127.0.0.1:0"]
        command += ["--admin", "127.0.0.1:0", *options]
        self._config = None
        if config is not None:
            self._config = tempfile.NamedTemporaryFile("w", suffix=".yaml")
            self._config.write(config)
            self._config.flush()
            command += ["--config", self._config.name]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._log = []
        # Somebody has to read the log, or the process would have to wait to write it.
        self._reader = threading.Thread(target=lambda: self._log.extend(self._process.stderr))
        self._reader.start()
        first = self._process.stdout.readline()
        addresses = re.findall(r"http://[0-9.:]+", first)
        if len(addresses) != 2:
            self._end()
            raise RuntimeError(f"the demo did not start: {first}{''.join(self._log)}")
        self.url, self.admin = addresses

    def reload(self, config):
        """Replaces the configuration, and waits until it is in force."""
        before = self._generation()
        # In one step: the demo looks at it whenever it likes.
        new = pathlib.Path(f"{self._config.name}.new")
        new.write_text(config, encoding="utf-8")
        new.replace(self._config.name)
        self._process.send_signal(signal.SIGHUP)
        for _ in range(10_000):
            if self._generation() != before:
                return
        raise RuntimeError(f"the configuration was not taken up: {''.join(self._log)}")

    def _generation(self):
        with urllib.request.urlopen(f"{self.admin}/policy") as answer:
            return json.load(answer)["generation"]

    def stop(self):
        """Ends the demo as an operator would, once; answers the lines of its log."""
        if self._process.returncode is not None:
            return self._log
        self._process.terminate()
        status = self._end()
        assert status == 0, f"the demo ended with {status}"
        return self._log

    def _end(self):
        try:
            status = self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()
        if self._config is not None:
            self._config.close()
        return status

    def client(self, account=None, password="demo", http_client=None):
        client = Client(account or new_account(), password, http_client=http_client)
        client.proxy.base_url = self.url
        return client

    def requests(self, decision):
        """How many requests of each operation had that decision."""
        with urllib.request.urlopen(f"{self.admin}/metrics") as answer:
            text = answer.read().decode()
        line = re.compile(
            rf'^maskgate_requests_total{{decision="{decision}",endpoint="(\w+)"}} (\d+)$', re.M
        )
        return {name: int(count) for name, count in line.findall(text) if count != "0"}


class DemoCase(unittest.TestCase):
    """Tests that share a demo, each with an account of its own: `self.proxy`."""

    options = ()
    config = None

    @classmethod
    def setUpClass(cls):
        cls.demo = Demo(*cls.options, config=cls.config)
        cls.addClassCleanup(cls.demo.stop)

    def setUp(self):
        self.account = new_account()
        self.client = self.demo.client(self.account)
        self.proxy = self.client.proxy.v1

    def refused(self, code, status=400):
        """A block that ends with the SDK's exception of that code and status."""
        return _Refused(self, code, status)

    def service(self, name="one"):
        """A new service, as what it does is called on."""
        return self.proxy.services(self.proxy.services.create(unique_name=name).sid)

    def service_with_number(self, name="one"):
        service = self.service(name)
        service.phone_numbers.create(phone_number=NUMBER)
        return service

    def session(self, *identifiers, service=None, **fields):
        """A new session of these participants, as what it does is called on."""
        service = service or self.service_with_number()
        participants = [{"Identifier": identifier} for identifier in identifiers]
        session = service.sessions.create(participants=participants, **fields)
        return service.sessions(session.sid)


class _Refused:
    def __init__(self, case, code, status):
        self._raises = case.assertRaises(TwilioRestException)
        self._case = case
        self._expected = (status, code)
        self.message = None

    def __enter__(self):
        self._raises.__enter__()
        return self

    def __exit__(self, *raised):
        swallowed = self._raises.__exit__(*raised)
        if swallowed:
            error = self._raises.exception
            self.message = error.msg
            self._case.assertEqual((error.status, error.code), self._expected, error.msg)
        return swallowed


def readme_block(language, demo, account):
    """The README's block of a language, for that demo and account instead of its own."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^```{language}\n(.*?)^```$", text, re.M | re.S).group(1)
    for shown, used in (
        ("http://127.0.0.1:8080", demo.url),
        ("AC00000000000000000000000000000001", account),
    ):
        assert shown in block, f"{shown} is not in the README's {language}"
        block = block.replace(shown, used)
    return block


def patient_client(demo, account):
    """The client that the README shows."""
    names = {}
    exec(compile(readme_block("python", demo, account), "README.md", "exec"), names)
    return names["client"]
