//! A client that is in the same process as the backend.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::HeaderMap;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::Full;
use maskgate::backend::Backend;
use maskgate::backend::Options;
use maskgate::time::Clock;
use serde_json::Value;
use tokio::runtime::Builder;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000002";
pub(crate) const HOST: &str = "proxy.test:8080";
/// Two people.
pub(crate) const ANN: &str = "+14155550101";
pub(crate) const BOB: &str = "+14155550102";

/// Parameters of a form.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// One account's client. Clones talk to the same backend.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) backend: Arc<Backend>,
    pub(crate) clock: Clock,
    authorization: String,
}

impl Client {
    /// A client of a backend of its own, whose clock stands.
    pub(crate) fn new() -> Self {
        Self::with(Options { seed: Some(1), ..Options::default() })
    }

    /// A client of a backend of its own, with a manual clock and some options.
    pub(crate) fn with(options: Options) -> Self {
        let clock = Clock::manual();
        let backend = Arc::new(Backend::new(Options { clock: clock.clone(), ..options }));
        Self { backend, clock, authorization: basic(ACCOUNT, "secret") }
    }

    /// The same backend, other credentials.
    pub(crate) fn authorized(&self, authorization: String) -> Self {
        Self { authorization, ..self.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    pub(crate) fn post(&self, path: &str, fields: Fields<'_>) -> Answer {
        self.send("POST", path, fields)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[])
    }

    pub(crate) fn send(&self, method: &str, path: &str, fields: Fields<'_>) -> Answer {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send_body(method, path, body.into_bytes())
    }

    pub(crate) fn send_body(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("authorization", &self.authorization)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.answer(request)
    }

    pub(crate) fn answer(&self, request: Request<Full<Bytes>>) -> Answer {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (head, body) = self.backend.answer(request).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        })
    }

    /// Makes something, and answers its path.
    pub(crate) fn made(&self, list: &str, fields: Fields<'_>) -> String {
        let answer = self.post(list, fields);
        assert_eq!(answer.status, 201, "{}", answer.text());
        format!("{list}/{}", answer.json()["sid"].as_str().unwrap())
    }

    /// A service of that name, by its path.
    pub(crate) fn service(&self, name: &str) -> String {
        self.made("/v1/Services", &[("UniqueName", name)])
    }

    /// A service with one unreserved number in its pool, by its path.
    pub(crate) fn service_with_number(&self) -> String {
        let service = self.service("with a number");
        self.made(&format!("{service}/PhoneNumbers"), &[("PhoneNumber", "+14155559999")]);
        service
    }

    /// A session of Ann and Bob in a service with one number, by its path.
    pub(crate) fn session_of_two(&self) -> String {
        let sessions = format!("{}/Sessions", self.service_with_number());
        self.made(&sessions, &[("Participants", &person(ANN)), ("Participants", &person(BOB))])
    }

    /// The path of the participant with that identifier.
    pub(crate) fn participant(&self, session: &str, identifier: &str) -> String {
        let list = format!("{session}/Participants");
        let answer = self.get(&list).json();
        let participants = answer["participants"].as_array().unwrap();
        let found = participants.iter().find(|found| found["identifier"] == identifier);
        format!("{list}/{}", found.unwrap()["sid"].as_str().unwrap())
    }
}

/// What a backend answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    /// The error's status and code.
    pub(crate) fn error(&self) -> (u16, u64) {
        (self.status, self.json()["code"].as_u64().unwrap_or(0))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A member of `Participants`.
pub(crate) fn person(identifier: &str) -> String {
    format!("{{\"Identifier\": \"{identifier}\"}}")
}

/// The seed of a random test: `MASKGATE_SEED` replays one.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("MASKGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    given.unwrap_or_else(|| fastrand::u64(..))
}
