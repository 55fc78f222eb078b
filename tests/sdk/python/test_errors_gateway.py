"""Is what the gateway refuses by itself the SDK's exception, and does it say what is wrong?

Rates are in test_rate.py. Codes that a name begins with are compared with docs/backend.md.
"""

import concurrent.futures
import json
import re

from support import ANN
from support import DemoCase
from support import new_account
from twilio.base.exceptions import TwilioException
from twilio.base.exceptions import TwilioRestException


def snake(name):
    return re.sub(r"\B([A-Z])", r"_\1", name).lower()


def address(length):
    return "https://example.org/".ljust(length, "a")


# The table of lengths, by operation: argument, length, and a value that is so long.
SERVICE_FIELDS = [
    ("unique_name", 191, lambda length: "🚕" * length),
    ("callback_url", 4000, address),
    ("intercept_callback_url", 4000, address),
    ("out_of_session_callback_url", 4000, address),
]
PARTICIPANT_FIELDS = [
    ("FriendlyName", 255, lambda length: "ü" * length),
    ("Identifier", 191, lambda length: "messenger:".ljust(length, "a")),
    ("ProxyIdentifier", 255, lambda length: "+1".ljust(length, "0")),
]


class Fields(DemoCase):
    def assert_invalid(self, name, call):
        with self.refused(80701) as refusal:
            call()
        self.assertIn(f"'{name}' is invalid. ", refusal.message)

    def test_80701_a_services_field_is_longer_than_it_may_be(self):
        changed = self.service("changed")
        for field, limit, value in SERVICE_FIELDS:
            name = "".join(word.title() for word in field.split("_"))
            with self.subTest(name):
                fits = {"unique_name": name, field: value(limit)}
                longer = {"unique_name": name, field: value(limit + 1)}
                made = self.proxy.services.create(**fits)
                self.assertEqual(getattr(made, field), value(limit))
                made.delete()
                self.assert_invalid(name, lambda: self.proxy.services.create(**longer))
                changed.update(**{field: value(limit)})
                self.assert_invalid(name, lambda: changed.update(**{field: value(limit + 1)}))

    def test_80701_a_sessions_name_is_longer_than_it_may_be(self):
        sessions = self.service().sessions
        self.assertEqual(sessions.create(unique_name="🚕" * 191).unique_name, "🚕" * 191)
        self.assert_invalid("UniqueName", lambda: sessions.create(unique_name="🚕" * 192))

    def test_80701_a_ttl_is_out_of_range(self):
        service = self.service()
        session = self.session(service=service)
        for ttl in (1, 2147483646):
            self.assertEqual(service.sessions.create(ttl=ttl).ttl, ttl)
            self.assertEqual(session.update(ttl=ttl).ttl, ttl)
        for ttl in (0, 2147483647, -1):
            with self.subTest(ttl):
                self.assert_invalid("Ttl", lambda: service.sessions.create(ttl=ttl))
                self.assert_invalid("Ttl", lambda: session.update(ttl=ttl))

    def test_80701_a_participants_field_is_longer_than_it_may_be(self):
        service = self.service_with_number()
        session = self.session(service=service)
        for name, limit, value in PARTICIPANT_FIELDS:
            with self.subTest(name):
                longer = {"Identifier": ANN, name: value(limit + 1)}
                arguments = {snake(key): text for key, text in longer.items()}
                self.assert_invalid(name, lambda: session.participants.create(**arguments))
                self.assert_invalid(
                    f"Participants[0].{name}",
                    lambda: service.sessions.create(participants=[longer]),
                )
        fits = {name: value(limit) for name, limit, value in PARTICIPANT_FIELDS[:2]}
        made = session.participants.create(
            identifier=fits["Identifier"], friendly_name=fits["FriendlyName"]
        )
        self.assertEqual(made.friendly_name, fits["FriendlyName"])
        # The gateway lets 255 characters pass, and the backend has no such number.
        with self.assertRaises(TwilioRestException) as raised:
            session.participants.create(identifier=ANN, proxy_identifier="+1".ljust(255, "0"))
        self.assertNotEqual(raised.exception.code, 80701)

    def test_20413_a_body_is_larger_than_it_may_be(self):
        with self.refused(20413):
            self.service().update(callback_url=address(256 * 1024))


class Requests(DemoCase):
    def test_20003_no_password_and_no_user_that_can_be(self):
        with self.refused(20003, 401):
            self.demo.client(self.account, "wrong").proxy.v1.services.create(unique_name="x")
        with self.refused(20003, 401):
            self.demo.client("XX" + "0" * 32).proxy.v1.services.create(unique_name="x")

    def test_20003_a_list_is_refused_in_the_sdks_way(self):
        with self.assertRaises(TwilioException) as raised:
            self.demo.client(self.account, "wrong").proxy.v1.services.list()
        answer = raised.exception.args[1]
        self.assertEqual((answer.status_code, json.loads(answer.text)["code"]), (401, 20003))

    def test_20004_a_path_has_not_this_method(self):
        for method in ("PUT", "PATCH", "DELETE"):
            with self.subTest(method), self.refused(20004, 405):
                self.proxy.fetch(method, "/Services")

    def test_20404_what_is_not_there(self):
        zeros = "0" * 32
        service, session = self.service(), self.session(service=self.service_with_number("two"))
        for absent in (
            self.proxy.services("KS" + zeros),
            self.proxy.services("no such name"),
            service.sessions("KC" + zeros),
            service.phone_numbers("PN" + zeros),
            session.participants("KP" + zeros),
            session.interactions("KI" + zeros),
        ):
            with self.subTest(absent), self.refused(20404, 404):
                absent.fetch()

    def test_20404_what_is_no_path_of_the_api(self):
        with self.refused(20404, 404):
            self.proxy.fetch("GET", "/Nothing")
        # The hosted API has codes for these; the gateway knows them for no operation.
        session = self.session()
        with self.refused(20404, 404):
            session.participants("x").fetch()
        with self.refused(20404, 404):
            session.interactions("x").fetch()
        with self.refused(20404, 404):
            self.service("two").phone_numbers("x").fetch()

    def test_20404_another_accounts_service(self):
        service = self.service()
        sid = service.fetch().sid
        stranger = self.demo.client(new_account()).proxy.v1.services(sid)
        for call in (stranger.fetch, stranger.delete, stranger.sessions.create):
            with self.subTest(call.__name__), self.refused(20404, 404):
                call()
        self.assertEqual(service.fetch().sid, sid)

    def test_an_api_key_acts_for_its_account(self):
        sid = self.service().fetch().sid
        key = self.demo.client("SK" + self.account[2:], "secret")
        self.assertEqual(key.proxy.v1.services(sid).fetch().account_sid, self.account)
        with self.refused(20404, 404):
            self.demo.client("SK" + "f" * 32).proxy.v1.services(sid).fetch()

    def test_20415_a_body_is_no_form(self):
        headers = {"Content-Type": "application/json"}
        with self.refused(20415, 415):
            self.proxy.create("POST", "/Services", data={"UniqueName": "x"}, headers=headers)

    def test_20400_a_body_is_where_none_belongs(self):
        with self.refused(20400):
            self.proxy.fetch("GET", "/Services", data={"UniqueName": "x"})


class OneAtATime(DemoCase):
    options = ("--latency", "300ms")
    config = "upstream: {url: http://127.0.0.1:9}\nlimits: {in_flight: {total: 1}}\n"

    def test_20503_more_are_under_way_than_may_be(self):
        def status(number):
            try:
                self.demo.client(self.account).proxy.v1.services.create(unique_name=number)
                return 201, None
            except TwilioRestException as refusal:
                return refusal.status, refusal.code

        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = set(threads.map(status, range(8)))
        self.assertEqual(answers, {(201, None), (503, 20503)})
