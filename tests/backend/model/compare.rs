//! Is everything that the backend lists what the model has?

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests stop where they fail"
)]

use serde_json::Value;

use super::Pair;
use super::world::Service;

impl Pair {
    /// Every row of a list, the oldest first, read in pages of some size.
    fn list(&mut self, path: &str, key: &str) -> Vec<Value> {
        let size = self.rng.usize(1..20);
        let mut next = Some(format!("{path}?PageSize={size}"));
        let mut rows = Vec::new();
        while let Some(path) = next {
            let page = self.client.get(&path).json();
            rows.extend(page[key].as_array().unwrap().iter().cloned());
            let url = page["meta"]["next_page_url"].as_str();
            next = url.map(|url| url.split_at(url.find("/v1").unwrap()).1.to_owned());
        }
        rows.reverse();
        rows
    }

    /// Compares everything that there is.
    pub(super) fn compare(&mut self) {
        let services = self.list("/v1/Services", "services");
        let column = |rows: &[Value], key: &str| {
            rows.iter().map(|row| row[key].to_string()).collect::<Vec<_>>()
        };
        let quoted = |text: &str| Value::from(text).to_string();
        let sids: Vec<_> = self.services.iter().map(|service| quoted(&service.sid)).collect();
        assert_eq!(column(&services, "sid"), sids);
        for at in 0..self.services.len() {
            let path = self.path(at, None);
            let numbers = self.list(&format!("{path}/PhoneNumbers"), "phone_numbers");
            let service = &self.services[at];
            let uses: Vec<_> =
                service.numbers.iter().map(|n| service.in_use(&n.text).to_string()).collect();
            assert_eq!(column(&numbers, "in_use"), uses, "{path}");
            let sessions = self.list(&format!("{path}/Sessions"), "sessions");
            let service = &self.services[at];
            let sids: Vec<_> = service.sessions.iter().map(|s| quoted(&s.sid)).collect();
            assert_eq!(column(&sessions, "sid"), sids, "{path}");
            let status: Vec<_> = service.sessions.iter().map(|s| quoted(s.status)).collect();
            assert_eq!(column(&sessions, "status"), status, "{path}");
            for session in 0..sids.len() {
                self.compare_session(at, session);
            }
        }
        let count = |service: &Service| {
            let sessions = service.sessions.iter();
            let inner = sessions.map(|s| 1 + s.participants.len() + s.messages.len());
            1 + service.numbers.len() + inner.sum::<usize>()
        };
        assert_eq!(self.client.backend.used(), self.services.iter().map(count).sum::<usize>());
    }

    fn compare_session(&mut self, service: usize, session: usize) {
        let path = self.path(service, Some(session));
        let participants = self.list(&format!("{path}/Participants"), "participants");
        let interactions = self.list(&format!("{path}/Interactions"), "interactions");
        let found = &self.services[service].sessions[session];
        let active: Vec<_> =
            found.active().map(|p| (p.sid.as_str(), p.number.as_str())).collect();
        let listed: Vec<_> = participants
            .iter()
            .map(|row| {
                (row["sid"].as_str().unwrap(), row["proxy_identifier"].as_str().unwrap())
            })
            .collect();
        assert_eq!(listed, active, "{path}");
        let sids: Vec<_> = found.messages.iter().map(|(sid, _)| sid.as_str()).collect();
        let listed: Vec<_> =
            interactions.iter().map(|row| row["sid"].as_str().unwrap()).collect();
        assert_eq!(listed, sids, "{path}");
    }
}
