"""Has each answer the keys that the SDK reads, and no others?

The SDK's classes are generated from the API's published description, so they read what it says.
Keys at which the SDK hands out an object as it came, `links` and `capabilities`, are read as a
whole: the names of links are compared with the lists that the SDK finds below a resource, and
the four capabilities are in tests/backend/shapes.rs.
"""

import datetime
import functools
import json
import re
from unittest import mock

from support import ANN
from support import BOB
from support import DemoCase
from support import NUMBER
from support import SHORT_CODE
from twilio.base.instance_resource import InstanceResource
from twilio.rest.proxy.v1.service import ServiceInstance
from twilio.rest.proxy.v1.service.session import SessionInstance

# Of a list's `meta`, this SDK reads where the rows are and the ways to the pages beside it. The
# description has the others too, and SDKs for other languages read them.
READ_META = {"key", "next_page_url", "previous_page_url"}
OTHER_META = {"first_page_url", "page", "page_size", "url"}
# The keys whose values are of a closed list, and what the SDK calls it.
LISTS_OF_WORDS = {
    "geo_match_level": "GeoMatchLevel",
    "number_selection_behavior": "NumberSelectionBehavior",
    "status": "Status",
    "mode": "Mode",
    "type": "Type",
    "inbound_resource_status": "ResourceStatus",
    "outbound_resource_status": "ResourceStatus",
}


def members(resource, kind):
    """What the SDK's class of a resource has of that kind."""
    return {name for name, value in vars(resource).items() if isinstance(value, kind)}


def words(resource, key):
    """The words that the SDK's class of a resource knows for that key."""
    known = vars(getattr(resource, LISTS_OF_WORDS[key]))
    return {word for name, word in known.items() if re.fullmatch("[A-Z_]+", name)}


class Object(dict):
    """An object in an answer. It notes which of its keys are read."""

    def __init__(self, values):
        super().__init__(values)
        self.read = set()

    def get(self, key, default=None):
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


class Keys(DemoCase):
    def setUp(self):
        super().setUp()
        self.objects = []
        noting = functools.partial(json.loads, object_hook=self.note)
        patch = mock.patch.object(json, "loads", noting)
        patch.start()
        self.addCleanup(patch.stop)

    def note(self, values):
        """Every object that the SDK reads from JSON comes through here."""
        self.objects.append(Object(values))
        return self.objects[-1]

    @property
    def answer(self):
        """The last answer: an object is noted after those in it."""
        return self.objects[-1]

    def assert_read(self, made, values):
        """The SDK made that of these values, and they are all that it looked for."""
        resource = type(made)
        self.assertEqual(values.read, set(values), resource.__name__)
        for key, value in values.items():
            if key.startswith("date_"):
                # The SDK hands out as text what it cannot read.
                self.assertIsInstance(getattr(made, key), (datetime.datetime, type(None)), key)
            if key in LISTS_OF_WORDS and value is not None:
                self.assertIn(value, words(resource, key), key)
        below = {name for name in members(resource, property) if not name.startswith("_")}
        self.assertEqual(set(getattr(made, "links", ())), below, resource.__name__)

    def calls(self):
        """Makes, fetches and changes one of each; gives out each as soon as it is answered."""
        yield (service := self.proxy.services.create(unique_name="one"))
        yield service.fetch()
        yield service.update(default_ttl=9)
        yield (number := service.phone_numbers.create(phone_number=NUMBER))
        yield number.fetch()
        yield number.update(is_reserved=False)
        people = [{"Identifier": ANN}]
        yield (session := service.sessions.create(unique_name="a", participants=people))
        yield session.fetch()
        yield session.update(ttl=9)
        yield (bob := session.participants.create(identifier=BOB, friendly_name="Bob"))
        yield bob.fetch()
        yield (message := bob.message_interactions.create(body="hi"))
        yield message.fetch()
        yield service.sessions(session.sid).interactions(message.sid).fetch()
        yield session.update(status="closed")

    def test_of_each_resource_as_it_is_made_fetched_and_changed(self):
        seen = set()
        for made in self.calls():
            self.assert_read(made, self.answer)
            seen.add(type(made))
        known = InstanceResource.__subclasses__()
        known = {each for each in known if each.__module__.startswith("twilio.rest.proxy.")}
        self.assertEqual(seen, known)
        lists = set().union(*(members(each, type) for each in known))
        self.assertEqual(lists, set(LISTS_OF_WORDS.values()))

    def test_of_each_list_and_its_rows(self):
        service = self.service_with_number()
        session = self.session(ANN, service=service)
        bob = session.participants.create(identifier=BOB)
        messages = session.participants(bob.sid).message_interactions
        messages.create(body="hi")
        # This SDK finds the rows by `meta.key`; those for Java and Go by these names.
        for listing, name in (
            (self.proxy.services, "services"),
            (service.phone_numbers, "phone_numbers"),
            (service.sessions, "sessions"),
            (session.participants, "participants"),
            (session.interactions, "interactions"),
            (messages, "interactions"),
        ):
            page = listing.page()
            made = list(page)
            self.assertEqual((page.next_page(), page.previous_page()), (None, None))
            answer = self.answer
            self.assertEqual((answer.read, set(answer)), ({name, "meta"}, {name, "meta"}))
            meta = answer["meta"]
            self.assertEqual(meta.read, READ_META, name)
            self.assertEqual(set(meta), READ_META | OTHER_META, name)
            self.assertGreaterEqual(len(made), 1)
            for one, row in zip(made, answer[name], strict=True):
                self.assert_read(one, row)

    def test_of_short_codes(self):
        # They left the description and the SDKs in July 2025, so no class here reads them. The
        # class there was until then read these keys: a number's, with another name for it.
        service = self.service_with_number()
        expected = set(self.answer) - {"phone_number", "friendly_name", "in_use"}
        expected |= {"short_code"}
        uri = f"/Services/{service.fetch().sid}/ShortCodes"
        made = self.proxy.create("POST", uri, data={"Sid": SHORT_CODE})
        self.assertEqual(set(made), expected)
        listed = self.proxy.fetch("GET", uri)
        self.assertEqual(set(listed), {"short_codes", "meta"})
        self.assertEqual(listed["meta"]["key"], "short_codes")
        self.assertEqual(listed["short_codes"], [made])

    def test_words_that_the_sdk_knows_are_known(self):
        service = self.service()
        for key in ("geo_match_level", "number_selection_behavior"):
            for word in words(ServiceInstance, key):
                self.assertEqual(getattr(service.update(**{key: word}), key), word)
        for word in words(SessionInstance, "mode"):
            self.assertEqual(service.sessions.create(mode=word).mode, word)
        begun = {"open", "in-progress"}
        for word in begun:
            self.assertEqual(service.sessions.create(status=word).status, word)
        for word in words(SessionInstance, "status") - begun:
            # Known, but no session begins so; a word that is not known is 80701.
            with self.refused(80608):
                service.sessions.create(status=word)
