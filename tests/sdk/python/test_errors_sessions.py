"""Is each error about sessions and participants the SDK's exception of that code?

A test's name begins with the code; `test_errors_all.py` compares them with docs/backend.md.
"""

import datetime

from support import ANN
from support import BOB
from support import CARL
from support import DemoCase

PAST = datetime.datetime(2001, 1, 1)


class Sessions(DemoCase):
    def messages_of(self, session, identifier):
        sid = next(each.sid for each in session.participants.list() if each.identifier == identifier)
        return session.participants(sid).message_interactions

    def update_as_older_clients(self, session, **fields):
        """An update with the parameter that this SDK does not send any more."""
        found = session.fetch()
        uri = f"/Services/{found.service_sid}/Sessions/{found.sid}"
        data = {**fields, "FailOnParticipantConflict": "true"}
        return self.proxy.update("POST", uri, data=data)

    def test_80102_who_was_deleted_and_has_spoken_does_not_come_back(self):
        session = self.session(ANN, BOB)
        self.messages_of(session, BOB).create(body="hi")
        next(each for each in session.participants.list() if each.identifier == BOB).delete()
        with self.refused(80102):
            session.participants.create(identifier=BOB)

    def test_80103_who_is_there_or_was_deleted_does_not_come_again(self):
        session = self.session(ANN)
        with self.refused(80103):
            session.participants.create(identifier=ANN)
        session.participants.list()[0].delete()
        with self.refused(80103):
            session.participants.create(identifier=ANN)

    def test_80202_a_message_in_a_voice_only_session(self):
        session = self.session(ANN, mode="voice-only")
        with self.refused(80202):
            self.messages_of(session, ANN).create(body="hi")

    def test_80404_an_identifier_that_is_neither_number_nor_address(self):
        session = self.session()
        for identifier in ("Ann", "+", "messenger:"):
            with self.subTest(identifier), self.refused(80404):
                session.participants.create(identifier=identifier)

    def test_80603_the_sessions_name_is_taken(self):
        service = self.service()
        session = service.sessions.create(unique_name="ördér")
        with self.refused(80603):
            service.sessions.create(unique_name="ördér")
        session.update(status="closed")
        with self.refused(80603):
            service.sessions.create(unique_name="ördér")

    def test_80607_a_closed_session_takes_nothing(self):
        session = self.session(ANN)
        messages = self.messages_of(session, ANN)
        session.update(status="closed")
        with self.refused(80607):
            session.participants.create(identifier=BOB)
        with self.refused(80607):
            messages.create(body="hi")
        with self.refused(80607):
            session.update(ttl=5)

    def test_80608_a_status_that_cannot_follow(self):
        session = self.session()
        session.update(status="closed")
        with self.refused(80608):
            session.update(status="open")
        with self.refused(80608):
            self.service("other").sessions.create(status="closed")

    def test_80609_a_third_participant(self):
        service = self.service_with_number()
        with self.refused(80609):
            self.session(ANN, BOB, CARL, service=service)
        self.assertEqual(service.sessions.list(), [])
        with self.refused(80609):
            self.session(ANN, BOB, service=service).participants.create(identifier=CARL)

    def test_80616_an_address_in_a_voice_only_session(self):
        with self.refused(80616):
            self.session("messenger:ann", mode="voice-only")

    def test_80623_a_conflict_that_older_clients_asked_to_be_told_of(self):
        service = self.service_with_number()
        session = self.session(ANN, service=service)
        session.update(status="closed")
        self.session(ANN, service=service)
        with self.refused(80623, 409):
            self.update_as_older_clients(session, Status="in-progress")

    def test_80701_a_value_that_cannot_be(self):
        sessions = self.service().sessions
        for fields in (
            {"mode": "telepathy"},
            {"status": "asleep"},
            {"ttl": "abc"},
            {"date_expiry": PAST},
            {"date_expiry": "tomorrow"},
        ):
            with self.subTest(fields), self.refused(80701) as refusal:
                sessions.create(**fields)
            name = "".join(word.title() for word in next(iter(fields)).split("_"))
            self.assertIn(f"'{name}' is invalid. ", refusal.message)
        # What the SDK sends for an object in place of a list is the names of its keys.
        with self.refused(80701) as refusal:
            sessions.create(participants={"Identifier": ANN})
        self.assertIn("'Participants[0]' is invalid. ", refusal.message)
        self.assertEqual(sessions.list(), [])

    def test_80801_a_session_is_not_reopened_into_a_conflict(self):
        service = self.service_with_number()
        session = self.session(ANN, service=service)
        session.update(status="closed")
        other = self.session(ANN, service=service)
        with self.refused(80801):
            session.update(status="in-progress")
        other.delete()
        self.assertEqual(session.update(status="in-progress").status, "in-progress")
