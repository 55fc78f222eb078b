//! Does the backend behave as a model of it that is too simple to be wrong?
//!
//! The model keeps plain lists and counts by looking through all of them. It chooses no
//! numbers: it takes the backend's choice, and checks that it was allowed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests stop where they fail"
)]

mod compare;
mod world;

use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::support::Answer;
use crate::support::Client;
use crate::support::person;
use crate::support::seed;
use world::Number;
use world::Participant;
use world::Service;
use world::Session;

const STEPS: usize = 3000;
const NAMES: [&str; 4] = ["a", "b", "ç", "d e"];
const PEOPLE: [&str; 5] =
    ["+13105550001", "+13105550002", "+13105550003", "+441134960000", "sms:x"];
const NUMBERS: [&str; 4] = ["+14155550001", "+14155550002", "+442079460000", "+12125550001"];
const TTLS: [u64; 3] = [0, 5, 20];
/// A closed session is kept for so many seconds.
const KEPT: u64 = 90 * 24 * 60 * 60;

/// The backend and the model of it.
struct Pair {
    client: Client,
    rng: Rng,
    now: u64,
    services: Vec<Service>,
}

fn sid(answer: &Answer) -> String {
    answer.json()["sid"].as_str().unwrap().to_owned()
}

impl Pair {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.rng.choice(from.iter().copied()).unwrap()
    }

    /// A service by its place, if there is any.
    fn service(&mut self) -> Option<usize> {
        let count = self.services.len();
        (count > 0).then(|| self.rng.usize(..count))
    }

    /// A session by its service's place and its own.
    fn session(&mut self) -> Option<(usize, usize)> {
        let service = self.service()?;
        let count = self.services[service].sessions.len();
        (count > 0).then(|| (service, self.rng.usize(..count)))
    }

    fn path(&self, service: usize, session: Option<usize>) -> String {
        let service = &self.services[service];
        let base = format!("/v1/Services/{}", service.sid);
        session
            .map_or(base.clone(), |at| format!("{base}/Sessions/{}", service.sessions[at].sid))
    }

    /// Sends, and checks the answer's code against the model's: 0 is a success.
    fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], code: u64) -> Answer {
        let answer = self.client.send(method, path, fields);
        let found = if answer.status < 300 { 0 } else { answer.error().1 };
        assert_eq!(found, code, "{method} {path} {fields:?}: {}", answer.text());
        answer
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..3 => self.create_service(),
            3..11 => self.wait(),
            11 => self.wait_long(),
            // An operation that finds nothing to work on does nothing.
            roll => self.work(roll).unwrap_or_default(),
        }
    }

    fn work(&mut self, roll: u8) -> Option<()> {
        match roll {
            12..14 => self.rename_service(),
            14 => self.delete_service(),
            15..23 => self.create_number(),
            23..27 => self.reserve_number(),
            27..30 => self.delete_number(),
            30..49 => self.create_session(),
            49..64 => self.update_session(),
            64..68 => self.delete_session(),
            68..82 => self.create_participant(),
            82..88 => self.delete_participant(),
            88..97 => self.send_message(),
            _ => self.delete_message(),
        }
    }

    fn create_service(&mut self) {
        let name = self.pick(&NAMES);
        let taken = self.services.iter().any(|service| service.name == name);
        let code = if taken { 80602 } else { 0 };
        let answer = self.send("POST", "/v1/Services", &[("UniqueName", name)], code);
        if code == 0 {
            let (sid, name) = (sid(&answer), name.to_owned());
            self.services.push(Service {
                sid,
                name,
                numbers: Vec::new(),
                sessions: Vec::new(),
            });
        }
    }

    fn rename_service(&mut self) -> Option<()> {
        let (at, name) = (self.service()?, self.pick(&NAMES));
        let mut others = self.services.iter().enumerate().filter(|(other, _)| *other != at);
        let code = if others.any(|(_, service)| service.name == name) { 80602 } else { 0 };
        self.send("POST", &self.path(at, None), &[("UniqueName", name)], code);
        if code == 0 {
            name.clone_into(&mut self.services[at].name);
        }
        Some(())
    }

    fn delete_service(&mut self) -> Option<()> {
        let at = self.service()?;
        self.send("DELETE", &self.path(at, None), &[], 0);
        self.services.remove(at);
        Some(())
    }

    fn create_number(&mut self) -> Option<()> {
        let (at, text, reserved) = (self.service()?, self.pick(&NUMBERS), self.rng.bool());
        let has = |service: &Service| service.numbers.iter().any(|number| number.text == text);
        let code = if has(&self.services[at]) {
            80104
        } else if self.services.iter().any(has) {
            80101
        } else {
            0
        };
        let path = format!("{}/PhoneNumbers", self.path(at, None));
        let flag = reserved.to_string();
        let fields = [("PhoneNumber", text), ("IsReserved", flag.as_str())];
        let answer = self.send("POST", &path, &fields, code);
        if code == 0 {
            let number = Number { sid: sid(&answer), text: text.to_owned(), reserved };
            self.services[at].numbers.push(number);
        }
        Some(())
    }

    /// A number by its service's place and its own.
    fn number(&mut self) -> Option<(usize, usize, String)> {
        let service = self.service()?;
        let count = self.services[service].numbers.len();
        let at = (count > 0).then(|| self.rng.usize(..count))?;
        let sid = &self.services[service].numbers[at].sid;
        Some((service, at, format!("{}/PhoneNumbers/{sid}", self.path(service, None))))
    }

    fn reserve_number(&mut self) -> Option<()> {
        let (service, at, path) = self.number()?;
        let reserved = self.rng.bool();
        self.send("POST", &path, &[("IsReserved", &reserved.to_string())], 0);
        self.services[service].numbers[at].reserved = reserved;
        Some(())
    }

    fn delete_number(&mut self) -> Option<()> {
        let (at, number, path) = self.number()?;
        let service = &self.services[at];
        let used = service.in_use(&service.numbers[number].text) > 0;
        self.send("DELETE", &path, &[], if used { 80611 } else { 0 });
        if !used {
            self.services[at].numbers.remove(number);
        }
        Some(())
    }

    fn create_session(&mut self) -> Option<()> {
        let (at, name) = (self.service()?, self.rng.bool().then(|| self.pick(&NAMES)));
        let ttl = self.rng.choice(TTLS).unwrap();
        let count = self.rng.usize(..4);
        let people: Vec<&str> = (0..count).map(|_| self.pick(&PEOPLE)).collect();
        let service = &self.services[at];
        let taken = service.sessions.iter().any(|session| session.name.as_deref() == name);
        let mut chosen = people.iter().map(|identifier| service.choice(identifier));
        let code = if name.is_some() && taken {
            80603
        } else if count > 2 {
            80609
        } else if let Some(code) = chosen.clone().next().filter(|code| *code != 0) {
            code
        } else if count == 2 && people[0] == people[1] {
            80103
        } else {
            chosen.next_back().unwrap_or(0)
        };
        let objects: Vec<String> = people.iter().map(|identifier| person(identifier)).collect();
        let text = ttl.to_string();
        let mut fields = vec![("Ttl", text.as_str())];
        fields.extend(name.map(|name| ("UniqueName", name)));
        fields.extend(objects.iter().map(|object| ("Participants", object.as_str())));
        let path = format!("{}/Sessions", self.path(at, None));
        let answer = self.send("POST", &path, &fields, code);
        if code != 0 {
            return Some(());
        }
        let mut session = Session {
            sid: sid(&answer),
            name: name.map(str::to_owned),
            status: "open",
            ttl,
            ttl_from: self.now,
            ended: 0,
            participants: Vec::new(),
            messages: Vec::new(),
        };
        let listed = self.client.get(&format!("{path}/{}/Participants", session.sid)).json();
        for participant in listed["participants"].as_array().unwrap().iter().rev() {
            session.participants.push(self.chosen(at, participant));
        }
        self.services[at].sessions.push(session);
        Some(())
    }

    /// A participant as the backend made it, if it was allowed to choose that number.
    fn chosen(&self, service: usize, json: &Value) -> Participant {
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        let (identifier, number) = (text("identifier"), text("proxy_identifier"));
        let service = &self.services[service];
        assert!(!service.busy(&identifier, &number), "{json}");
        let chosen = service.numbers.iter().find(|known| known.text == number);
        assert!(chosen.is_some_and(|number| !number.reserved), "{json}");
        Participant { sid: text("sid"), identifier, number, deleted: false, written_to: false }
    }

    fn update_session(&mut self) -> Option<()> {
        let (at, session) = self.session()?;
        let word = self.pick(&["open", "in-progress", "closed"]);
        let (service, found) = (&self.services[at], &self.services[at].sessions[session]);
        let blocked = found.active().any(|p| {
            service.busy(&p.identifier, &p.number)
                || !service.numbers.iter().any(|number| number.text == p.number)
        });
        let code = match (found.status, word) {
            ("closed", "in-progress") if blocked => 80801,
            ("closed" | "in-progress", "open") => 80608,
            _ => 0,
        };
        self.send("POST", &self.path(at, Some(session)), &[("Status", word)], code);
        let now = self.now;
        let found = &mut self.services[at].sessions[session];
        match (code, found.status, word) {
            (0, "closed", "in-progress") => {
                found.status = "in-progress";
                found.ttl_from = now;
            }
            (0, "open", "in-progress") => found.status = "in-progress",
            (0, "open" | "in-progress", "closed") => {
                found.status = "closed";
                found.ended = now;
            }
            _ => {}
        }
        Some(())
    }

    fn delete_session(&mut self) -> Option<()> {
        let (at, session) = self.session()?;
        self.send("DELETE", &self.path(at, Some(session)), &[], 0);
        self.services[at].sessions.remove(session);
        Some(())
    }

    fn create_participant(&mut self) -> Option<()> {
        let (at, session) = self.session()?;
        let identifier = self.pick(&PEOPLE);
        let service = &self.services[at];
        let found = &service.sessions[session];
        let same = found.participants.iter().find(|p| p.identifier == identifier);
        let code = match same {
            _ if !found.open() => 80607,
            Some(same) if same.deleted && same.written_to => 80102,
            Some(_) => 80103,
            None if found.active().count() == 2 => 80609,
            None => service.choice(identifier),
        };
        let path = format!("{}/Participants", self.path(at, Some(session)));
        let answer = self.send("POST", &path, &[("Identifier", identifier)], code);
        if code == 0 {
            let participant = self.chosen(at, &answer.json());
            self.services[at].sessions[session].participants.push(participant);
        }
        Some(())
    }

    /// A participant by its places, deleted or not.
    fn participant(&mut self) -> Option<(usize, usize, usize, String)> {
        let (service, session) = self.session()?;
        let participants = &self.services[service].sessions[session].participants;
        let at = (!participants.is_empty()).then(|| self.rng.usize(..participants.len()))?;
        let sid = &participants[at].sid;
        let path = format!("{}/Participants/{sid}", self.path(service, Some(session)));
        Some((service, session, at, path))
    }

    fn delete_participant(&mut self) -> Option<()> {
        let (service, session, at, path) = self.participant()?;
        let found = &mut self.services[service].sessions[session].participants[at];
        let code = if std::mem::replace(&mut found.deleted, true) { 20404 } else { 0 };
        self.send("DELETE", &path, &[], code);
        Some(())
    }

    fn send_message(&mut self) -> Option<()> {
        let (service, session, at, path) = self.participant()?;
        let found = &self.services[service].sessions[session];
        let code = match (found.participants[at].deleted, found.open()) {
            (true, _) => 20404,
            (false, false) => 80607,
            (false, true) => 0,
        };
        let answer =
            self.send("POST", &format!("{path}/MessageInteractions"), &[("Body", "hi")], code);
        if code == 0 {
            let now = self.now;
            let found = &mut self.services[service].sessions[session];
            found.status = "in-progress";
            found.ttl_from = now;
            found.participants[at].written_to = true;
            found.messages.push((sid(&answer), found.participants[at].sid.clone()));
        }
        Some(())
    }

    fn delete_message(&mut self) -> Option<()> {
        let (service, session) = self.session()?;
        let messages = &self.services[service].sessions[session].messages;
        let at = (!messages.is_empty()).then(|| self.rng.usize(..messages.len()))?;
        let path =
            format!("{}/Interactions/{}", self.path(service, Some(session)), messages[at].0);
        self.send("DELETE", &path, &[], 0);
        let found = &mut self.services[service].sessions[session];
        let (_, to) = found.messages.remove(at);
        let left = found.messages.iter().any(|(_, other)| *other == to);
        let written = found.participants.iter_mut().find(|p| p.sid == to).unwrap();
        written.written_to = left;
        Some(())
    }

    fn wait(&mut self) {
        let seconds = self.rng.u64(1..8);
        self.advance(seconds);
    }

    fn wait_long(&mut self) {
        if self.rng.u8(..4) == 0 {
            self.advance(KEPT / 2 + 1);
        }
    }

    fn advance(&mut self, seconds: u64) {
        self.client.clock.advance(Duration::from_secs(seconds));
        self.now += seconds;
        let now = self.now;
        for service in &mut self.services {
            for session in &mut service.sessions {
                let expiry = session.ttl_from + session.ttl;
                if session.open() && session.ttl > 0 && expiry <= now {
                    session.status = "closed";
                    session.ended = expiry;
                }
            }
            service.sessions.retain(|session| session.open() || session.ended + KEPT > now);
        }
    }
}

#[test]
fn random_operations_do_what_the_model_says() {
    let seed = seed();
    println!("replay with MASKGATE_SEED={seed}");
    let client = Client::new();
    let mut pair = Pair { client, rng: Rng::with_seed(seed), now: 0, services: Vec::new() };
    for step in 1..=STEPS {
        pair.step();
        if step % 50 == 0 {
            pair.compare();
        }
    }
}
