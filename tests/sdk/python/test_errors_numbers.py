"""Is each error about services, numbers and short codes the SDK's exception of that code?

A test's name begins with the code; `test_errors_all.py` compares them with docs/backend.md.
The SDK has lost the operations on short codes; they are called as it calls the others.
"""

from support import ANN
from support import BOB
from support import DemoCase
from support import NUMBER
from support import OTHER_NUMBER
from support import SHORT_CODE
from twilio.base.exceptions import TwilioException


class Numbers(DemoCase):
    def add_short_code(self, service, sid=SHORT_CODE):
        uri = f"/Services/{service.fetch().sid}/ShortCodes"
        return self.proxy.create("POST", uri, data={"Sid": sid})

    def test_20001_what_is_required_is_missing(self):
        with self.refused(20001) as refusal:
            self.proxy.services.create(unique_name="")
        self.assertIn("Missing required parameter UniqueName", refusal.message)
        with self.refused(20001):
            self.service("empty").phone_numbers.create()
        session = self.session(ANN)
        with self.refused(20001):
            session.participants.create(identifier="")
        with self.refused(20001):
            ann = session.participants.list()[0]
            session.participants(ann.sid).message_interactions.create()

    def test_20007_a_page_size_above_1000(self):
        with self.assertRaises(TwilioException) as raised:
            self.proxy.services.list(page_size=1001)
        self.assertIn('"code":20007', raised.exception.args[1].text)

    def test_80101_the_number_is_in_another_services_pool(self):
        one, other = self.service_with_number("one"), self.service("other")
        with self.refused(80101):
            other.phone_numbers.create(phone_number=NUMBER)
        self.add_short_code(one)
        with self.refused(80101):
            self.add_short_code(other)

    def test_80104_the_number_is_in_this_services_pool(self):
        service = self.service_with_number()
        with self.refused(80104):
            service.phone_numbers.create(phone_number=NUMBER)

    def test_80105_the_short_code_is_in_this_services_pool(self):
        service = self.service()
        self.add_short_code(service)
        with self.refused(80105):
            self.add_short_code(service)

    def test_80201_a_short_code_in_a_voice_only_session(self):
        service = self.service_with_number()
        self.add_short_code(service)
        session = self.session(service=service, mode="voice-only")
        with self.refused(80201):
            session.participants.create(identifier=BOB, proxy_identifier_sid=SHORT_CODE)

    def test_80205_the_pool_is_empty(self):
        with self.refused(80205):
            self.session(ANN, service=self.service())

    def test_80206_each_number_serves_the_identifier_already(self):
        service = self.service_with_number()
        self.session(ANN, service=service)
        with self.refused(80206):
            self.session(ANN, service=service)

    def test_80207_no_number_is_unreserved(self):
        service = self.service()
        service.phone_numbers.create(phone_number=NUMBER, is_reserved=True)
        with self.refused(80207):
            self.session(ANN, service=service)

    def test_80303_what_should_be_a_short_codes_sid_is_none(self):
        with self.refused(80303):
            self.add_short_code(self.service(), sid="SCx")

    def test_80402_the_number_asked_for_is_the_participants_own(self):
        with self.refused(80402):
            self.session().participants.create(identifier=NUMBER, proxy_identifier=NUMBER)

    def test_80406_a_phone_number_is_not_in_e164(self):
        for number in ("4155550000", "+0123", "+1415555000x"):
            with self.subTest(number), self.refused(80406):
                self.service(number).phone_numbers.create(phone_number=number)

    def test_80407_what_should_be_a_numbers_sid_is_none(self):
        with self.refused(80407):
            self.service().phone_numbers.create(sid="PNx")

    def test_80602_the_services_name_is_taken(self):
        self.service("Süß")
        other = self.service("other")
        with self.refused(80602):
            self.service("Süß")
        with self.refused(80602):
            other.update(unique_name="Süß")

    def test_80604_the_number_asked_for_serves_the_identifier_already(self):
        service = self.service_with_number()
        self.session(ANN, service=service)
        with self.refused(80604):
            self.session(service=service).participants.create(
                identifier=ANN, proxy_identifier=NUMBER
            )

    def test_80605_the_number_asked_for_is_in_another_services_pool(self):
        self.service("one").phone_numbers.create(phone_number=OTHER_NUMBER)
        session = self.session(service=self.service_with_number("other"))
        with self.refused(80605):
            session.participants.create(identifier=ANN, proxy_identifier=OTHER_NUMBER)

    def test_80606_the_number_asked_for_is_in_no_pool(self):
        with self.refused(80606):
            self.session().participants.create(identifier=ANN, proxy_identifier=OTHER_NUMBER)

    def test_80611_an_open_session_uses_the_number(self):
        service = self.service_with_number()
        self.session(ANN, service=service)
        with self.refused(80611):
            service.phone_numbers.list()[0].delete()

    def test_80701_a_value_that_cannot_be(self):
        service = self.service()
        for fields in (
            {"default_ttl": -1},
            {"geo_match_level": "planet"},
            {"number_selection_behavior": "sticky"},
            {"chat_instance_sid": "IS123"},
            {"callback_url": "https://proxy.twilio.com/v1/Services"},
        ):
            with self.subTest(fields), self.refused(80701) as refusal:
                service.update(**fields)
            name = "".join(word.title() for word in next(iter(fields)).split("_"))
            self.assertIn(f"'{name}' is invalid. ", refusal.message)


class TheWholeBackend(DemoCase):
    options = ("--max-resources", "2")

    def test_80501_the_cap_on_resources_is_reached(self):
        self.service("one")
        self.service("two")
        with self.refused(80501):
            self.service("three")


class AFaultyBackend(DemoCase):
    options = ("--error-rate", "100%")

    def test_20500_the_error_that_was_asked_for(self):
        with self.refused(20500, 500):
            self.service()
