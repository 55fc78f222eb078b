"""Do pools of three reserved and five other numbers behave to the letter?"""

import json
import threading
import unittest
import urllib.request

from support import Demo
from support import DemoCase
from twilio.base.exceptions import TwilioRestException

CONFIG = """
limits:
  pools: { reserved: 3, unreserved: 5 }
"""


def number(index):
    return f"+1415{index:07}"


class Pools(DemoCase):
    config = CONFIG

    def pools(self, service):
        """What an operator sees of the service's pools: used, by kind."""
        sid = service.fetch().sid
        with urllib.request.urlopen(f"{self.demo.admin}/pools?service={sid}") as answer:
            pools = json.load(answer)["pools"]
        return {pool["kind"]: pool["used"] for pool in pools}

    def add(self, service, *indexes, **fields):
        return [
            service.phone_numbers.create(phone_number=number(index), **fields).sid
            for index in indexes
        ]

    def test_the_sixth_and_the_fourth_are_refused_and_the_error_names_pool_limit_and_count(self):
        service = self.service()
        self.add(service, *range(5))
        self.add(service, *range(5, 8), is_reserved=True)
        with self.refused(80622) as refusal:
            self.add(service, 8)
        self.assertIn("unreserved", refusal.message)
        self.assertIn("5 of 5", refusal.message)
        with self.refused(80622) as refusal:
            self.add(service, 9, is_reserved=True)
        self.assertIn("3 of 3", refusal.message)
        self.assertEqual(self.pools(service), {"reserved": 3, "unreserved": 5})
        self.assertEqual(len(service.phone_numbers.list()), 8)

    def test_a_deleted_number_makes_room_for_one(self):
        service = self.service()
        first, *_ = self.add(service, *range(5))
        self.assertTrue(service.phone_numbers(first).delete())
        self.add(service, 5)
        with self.refused(80622):
            self.add(service, 6)

    def test_a_number_changes_its_pool_only_where_there_is_room(self):
        service = self.service()
        unreserved = self.add(service, *range(5))
        reserved = self.add(service, *range(5, 8), is_reserved=True)
        with self.refused(80622):
            service.phone_numbers(unreserved[0]).update(is_reserved=True)
        with self.refused(80622):
            service.phone_numbers(reserved[0]).update(is_reserved=False)
        # It is there already.
        service.phone_numbers(reserved[0]).update(is_reserved=True)
        service.phone_numbers(reserved[0]).delete()
        service.phone_numbers(unreserved[0]).update(is_reserved=True)
        self.assertEqual(self.pools(service), {"reserved": 3, "unreserved": 4})
        self.add(service, 20)

    def test_what_the_upstream_refuses_takes_no_room(self):
        service = self.service()
        self.add(service, 0)
        for _ in range(10):
            with self.refused(80104):
                self.add(service, 0)
        self.assertEqual(self.pools(service), {"reserved": 0, "unreserved": 1})

    def test_of_many_at_once_as_many_get_through_as_there_is_room(self):
        service = self.service()
        outcomes = []

        def attempt(index):
            client = self.demo.client(self.account)
            numbers = client.proxy.v1.services(service.fetch().sid).phone_numbers
            try:
                outcomes.append(numbers.create(phone_number=number(index)).sid[:2])
            except TwilioRestException as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=attempt, args=(index,)) for index in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(outcomes.count("PN"), 5)
        self.assertEqual(outcomes.count(80622), 35)

    def test_each_service_has_pools_of_its_own_and_a_new_one_has_empty_ones(self):
        one, other = self.service("one"), self.service("other")
        self.add(one, *range(5))
        self.add(other, *range(5, 10))
        one.delete()
        self.add(self.service("one"), *range(5))

    def test_short_codes_are_in_the_same_pools(self):
        service = self.service()
        self.add(service, *range(4))
        uri = f"/Services/{service.fetch().sid}/ShortCodes"
        code = "SC0123456789abcdef0123456789abcde"
        self.proxy.create("POST", uri, data={"Sid": f"{code}0"})
        with self.refused(80622):
            self.proxy.create("POST", uri, data={"Sid": f"{code}1"})
        with self.refused(80622):
            self.add(service, 9)


class Warnings(unittest.TestCase):
    def test_a_warning_says_which_service_nears_its_end(self):
        demo = Demo(config="limits: { pools: { unreserved: 20 } }")
        try:
            proxy = demo.client().proxy.v1
            sid = proxy.services.create(unique_name="one").sid
            for index in range(20):
                proxy.services(sid).phone_numbers.create(phone_number=number(index))
        finally:
            log = demo.stop()
        warnings = [line for line in log if "80624" in line]
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn(sid, warnings[0])
        self.assertNotIn("+1415", "".join(log))
