"""Does every operation of the SDK work through the gateway, and are its answers as it reads them?"""

import datetime

from support import ANN
from support import BOB
from support import CARL
from support import DemoCase
from support import NUMBER
from support import OTHER_NUMBER

NAME = "Süß 🚕 #1/2? 100% 漢字"
OPERATIONS = {
    "Service": "List Create Fetch Update Delete",
    "Session": "List Create Fetch Update Delete",
    "PhoneNumber": "List Create Fetch Update Delete",
    "Participant": "List Create Fetch Delete",
    "Interaction": "List Fetch Delete",
    "MessageInteraction": "List Create Fetch",
}


class Operations(DemoCase):
    def test_services(self):
        service = self.proxy.services.create(
            unique_name=NAME,
            default_ttl=0,
            callback_url="https://example.org/cb?a=1&b=2",
            geo_match_level="area-code",
            number_selection_behavior="avoid-sticky",
        )
        self.assertRegex(service.sid, "^KS[0-9a-f]{32}$")
        self.assertEqual((service.account_sid, service.unique_name), (self.account, NAME))
        self.assertEqual(service.callback_url, "https://example.org/cb?a=1&b=2")
        self.assertEqual(service.geo_match_level, "area-code")
        self.assertIsInstance(service.date_created, datetime.datetime)
        self.assertEqual(service.url, f"{self.demo.url}/v1/Services/{service.sid}")
        self.assertEqual(set(service.links), {"sessions", "phone_numbers"})
        self.assertEqual(service.fetch().sid, service.sid)
        changed = service.update(default_ttl=60, unique_name="plain")
        self.assertEqual((changed.default_ttl, changed.unique_name), (60, "plain"))
        self.assertEqual(changed.callback_url, service.callback_url)
        self.assertEqual(self.proxy.services("plain").fetch().sid, service.sid)
        self.assertEqual([each.sid for each in self.proxy.services.list()], [service.sid])
        self.assertIs(self.proxy.services(service.sid).delete(), True)
        self.assertEqual(self.proxy.services.list(), [])

    def test_phone_numbers(self):
        numbers = self.service().phone_numbers
        number = numbers.create(phone_number=NUMBER, is_reserved=True)
        self.assertRegex(number.sid, "^PN[0-9a-f]{32}$")
        self.assertEqual((number.phone_number, number.iso_country), (NUMBER, "US"))
        self.assertEqual((number.is_reserved, number.in_use), (True, 0))
        self.assertIs(number.capabilities["sms"], True)
        self.assertIs(numbers(number.sid).update(is_reserved=False).is_reserved, False)
        self.assertEqual(number.fetch().phone_number, NUMBER)
        by_sid = numbers.create(sid="PN" + "ab" * 16)
        self.assertEqual([each.sid for each in numbers.list()], [by_sid.sid, number.sid])
        self.assertIs(number.delete(), True)
        self.assertEqual([each.sid for each in numbers.stream()], [by_sid.sid])

    def test_sessions(self):
        service = self.service_with_number()
        expiry = datetime.datetime(2040, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        session = service.sessions.create(
            unique_name="ördér 1",
            ttl=3600,
            mode="voice-and-message",
            date_expiry=expiry,
            participants=[{"Identifier": ANN, "FriendlyName": "Änn"}, {"Identifier": BOB}],
        )
        self.assertRegex(session.sid, "^KC[0-9a-f]{32}$")
        self.assertEqual((session.status, session.ttl), ("open", 3600))
        self.assertEqual((session.mode, session.date_expiry), ("voice-and-message", expiry))
        self.assertEqual(set(session.links), {"interactions", "participants"})
        self.assertEqual(service.sessions("ördér 1").fetch().sid, session.sid)
        self.assertEqual([each.sid for each in service.sessions.list()], [session.sid])
        closed = service.sessions(session.sid).update(status="closed")
        self.assertEqual((closed.status, closed.closed_reason), ("closed", "api"))
        self.assertIsInstance(closed.date_ended, datetime.datetime)
        self.assertEqual(session.update(status="in-progress").closed_reason, "")
        self.assertIs(session.delete(), True)
        self.assertEqual(service.sessions.list(), [])

    def test_participants_and_their_messages(self):
        session = self.session()
        ann = session.participants.create(identifier=ANN, friendly_name="Änn 🚕")
        session.participants.create(identifier=BOB)
        self.assertRegex(ann.sid, "^KP[0-9a-f]{32}$")
        self.assertEqual((ann.identifier, ann.friendly_name), (ANN, "Änn 🚕"))
        self.assertEqual((ann.proxy_identifier, ann.date_deleted), (NUMBER, None))
        self.assertEqual(ann.fetch().proxy_identifier_sid, ann.proxy_identifier_sid)
        listed = [each.identifier for each in session.participants.list()]
        self.assertEqual(listed, [BOB, ANN])

        messages = session.participants(ann.sid).message_interactions
        message = messages.create(body="hallo Ü 🚕", media_url=["http://a/b", "http://c/d"])
        self.assertRegex(message.sid, "^KI[0-9a-f]{32}$")
        self.assertEqual((message.type, message.participant_sid), ("message", ann.sid))
        self.assertIn("hallo Ü 🚕", message.data)
        self.assertEqual(messages(message.sid).fetch().sid, message.sid)
        self.assertEqual([each.sid for each in messages.list()], [message.sid])

        interaction = session.interactions(message.sid).fetch()
        self.assertEqual(interaction.type, "message")
        self.assertEqual(interaction.session_sid, session.fetch().sid)
        self.assertEqual([each.sid for each in session.interactions.list()], [message.sid])
        self.assertEqual(session.fetch().status, "in-progress")
        self.assertIs(interaction.delete(), True)
        self.assertEqual(session.interactions.list() + messages.list(), [])
        self.assertIs(ann.delete(), True)
        self.assertEqual([each.identifier for each in session.participants.list()], [BOB])
        session.participants.create(identifier=CARL)

    def test_a_services_end_is_that_of_all_in_it(self):
        service = self.service_with_number()
        session = self.session(ANN, BOB, service=service)
        self.assertIs(service.delete(), True)
        with self.refused(20404, 404):
            session.fetch()
        self.service_with_number("the number is free again")

    def test_statuses_and_headers_are_the_apis(self):
        services = self.proxy.services
        made = services.create_with_http_info(unique_name="one")
        service = services(made.data.sid)
        fetched = service.fetch_with_http_info()
        changed = service.update_with_http_info(default_ttl=5)
        deleted = service.delete_with_http_info()
        statuses = [each.status_code for each in (made, fetched, changed, deleted)]
        self.assertEqual(statuses, [201, 200, 200, 204])
        self.assertIn("twilio-request-id", fetched.headers)
        self.assertEqual(fetched.headers["content-type"], "application/json;charset=utf-8")


class EveryOperation(DemoCase):
    def test_the_gateway_knows_each_by_its_name(self):
        service = self.service()
        number = service.phone_numbers.create(phone_number=NUMBER)
        spare = service.phone_numbers.create(phone_number=OTHER_NUMBER, is_reserved=True)
        spare.update(is_reserved=False)
        session = self.session(ANN, service=service)
        bob = session.participants.create(identifier=BOB)
        message = session.participants(bob.sid).message_interactions.create(body="hi")
        message.fetch()
        for listing in (
            self.proxy.services,
            service.phone_numbers,
            service.sessions,
            session.participants,
            session.interactions,
            session.participants(bob.sid).message_interactions,
        ):
            self.assertGreaterEqual(len(listing.list()), 1)
        service.update(default_ttl=9)
        session.update(ttl=9)
        interaction = session.interactions(message.sid)
        for each in (service, number, session, bob, interaction):
            each.fetch()
        for each in (interaction, bob, session, number, spare, service):
            self.assertIs(each.delete(), True)
        done = self.demo.requests("forwarded")
        expected = {
            verb + resource for resource, verbs in OPERATIONS.items() for verb in verbs.split()
        }
        self.assertEqual((set(done), len(expected)), (expected, 25))

