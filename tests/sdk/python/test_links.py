"""Does each page come through the gateway, where the backend's links lead to the backend?"""

from support import DemoCase

# By its own address the backend is told who it is, so its links lead there.
CONFIG = "upstream: {{ url: http://127.0.0.1:9, host: upstream{more} }}\n"


class LinksOfABackendByAnotherName(DemoCase):
    config = CONFIG.format(more="")

    def test_with_a_public_url_they_lead_through_the_gateway(self):
        service = self.service()
        made = [service.sessions.create(unique_name=str(number)).sid for number in range(55)]
        made.reverse()

        def listed():
            """The pages that the gateway had to answer for a whole list."""
            before = self.demo.requests("forwarded").get("ListSession", 0)
            self.assertEqual([each.sid for each in service.sessions.list(page_size=20)], made)
            return self.demo.requests("forwarded")["ListSession"] - before

        self.assertEqual(listed(), 1, "the others were asked of the backend")
        self.demo.reload(CONFIG.format(more=f", public_url: '{self.demo.url}'"))
        self.assertEqual(listed(), 3)

        found = service.fetch()
        for link in (found.url, *found.links.values()):
            self.assertTrue(link.startswith(f"{self.demo.url}/v1/Services/{found.sid}"), link)
        last = service.sessions.page(page_size=50).next_page()
        self.assertEqual([each.sid for each in last], made[50:])
        self.assertEqual([each.sid for each in last.previous_page()], made[:50])
