"""Do the SDK's ways through a long list give each row once, in order, by the gateway's address?"""

import asyncio

from support import DemoCase
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient

MANY = 430
# So many cannot be made within a window of the API's own limit; they are listed within it.
CONFIG = """
upstream: { url: http://127.0.0.1:9 }
limits:
  overrides:
    - match: { endpoint: CreateSession }
      rate: { requests_per_second: 10000 }
"""


class ALongList(DemoCase):
    config = CONFIG

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.demo.client()
        services = cls.client.proxy.v1.services
        cls.service_sid = services.create(unique_name="many").sid
        cls.sessions = services(cls.service_sid).sessions
        for number in range(MANY):
            cls.sessions.create(unique_name=f"Süß 🚕 {number}")
        cls.names = [f"Süß 🚕 {number}" for number in reversed(range(MANY))]

    def setUp(self):
        """All look at one list, and change nothing."""

    def assert_names(self, sessions, names):
        self.assertEqual([each.unique_name for each in sessions], names)

    def test_list_and_stream_give_all(self):
        self.assert_names(self.sessions.list(), self.names)
        self.assert_names(self.sessions.stream(), self.names)
        self.assert_names(self.sessions.stream(page_size=100), self.names)

    def test_a_limit_ends_a_list(self):
        for limit in (1, 50, 51, 210, MANY, 999):
            with self.subTest(limit=limit):
                self.assert_names(self.sessions.list(limit=limit), self.names[:limit])
        self.assert_names(self.sessions.stream(limit=130, page_size=20), self.names[:130])

    def test_pages_lead_both_ways_and_stay_on_the_gateways_address(self):
        page = self.sessions.page(page_size=100)
        pages = []
        while page is not None:
            pages.append(page)
            if page.next_page_url is not None:
                self.assertTrue(page.next_page_url.startswith(f"{self.demo.url}/v1/Services/"))
            page = page.next_page()
        self.assertEqual(len(pages), 5)
        self.assertIsNone(pages[0].previous_page_url)
        last = pages[-1]
        self.assertTrue(last.previous_page_url.startswith(f"{self.demo.url}/v1/Services/"))
        self.assert_names(last.previous_page(), self.names[300:400])
        self.assert_names(last.previous_page().previous_page(), self.names[200:300])
        for number, page in enumerate(pages):
            self.assert_names(page, self.names[number * 100 : number * 100 + 100])

    def test_a_kept_address_leads_to_its_page(self):
        address = self.sessions.page(page_size=30).next_page_url
        self.assert_names(self.sessions.get_page(address), self.names[30:60])

    def test_a_page_has_100_rows_at_most(self):
        self.assertEqual(len(list(self.sessions.page(page_size=1000))), 100)
        self.assertEqual(len(list(self.sessions.page())), 50)

    def test_a_page_size_above_1000_is_refused_in_the_sdks_way(self):
        with self.assertRaises(TwilioException) as raised:
            self.sessions.list(page_size=1001)
        # For pages the SDK has an exception without a code; it carries the answer.
        answer = raised.exception.args[1]
        self.assertEqual(answer.status_code, 400)
        self.assertIn('"code":20007', answer.text)

    def test_the_asynchronous_client_gives_all_too(self):
        async def names():
            http = AsyncTwilioHttpClient()
            try:
                client = self.demo.client(self.client.account_sid, http_client=http)
                sessions = client.proxy.v1.services(self.service_sid).sessions
                streamed = [each async for each in await sessions.stream_async(page_size=90)]
                fetched = await asyncio.gather(
                    *(sessions(each.sid).fetch_async() for each in streamed[:20])
                )
                return streamed, fetched
            finally:
                await http.session.close()

        streamed, fetched = asyncio.run(names())
        self.assert_names(streamed, self.names)
        self.assert_names(fetched, self.names[:20])


class AGrowingList(DemoCase):
    def test_what_is_added_or_deleted_between_two_pages_moves_no_row(self):
        service = self.service()
        made = [service.sessions.create(unique_name=str(number)) for number in range(40)]
        first = service.sessions.page(page_size=20)
        seen = [each.unique_name for each in first]
        service.sessions.create(unique_name="late")
        made[25].delete()
        seen += [each.unique_name for each in first.next_page()]
        self.assertEqual(seen, [str(number) for number in reversed(range(40))])
