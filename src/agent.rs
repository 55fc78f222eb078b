//! Which program sent it? The family of a `User-Agent`, out of a closed list.
//!
//! **Invariant:** nothing of the field itself is kept, so no text of a client's gets into a
//! report.

use http::HeaderMap;
use http::header::USER_AGENT;

/// A family of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// The official SDK for Python.
    TwilioPython,
    /// The official SDK for Node.js.
    TwilioNode,
    /// The official SDK for Java.
    TwilioJava,
    /// The official SDK for Go.
    TwilioGo,
    /// The official SDK for Ruby.
    TwilioRuby,
    /// The official SDK for PHP.
    TwilioPhp,
    /// The official SDK for C#.
    TwilioCsharp,
    /// curl, or its library where that names itself so.
    Curl,
    /// Python's requests.
    Requests,
    /// The standard library of Python.
    Urllib,
    /// Anything else that names itself.
    Other,
    /// No `User-Agent`.
    Unnamed,
}

impl Agent {
    /// Every family that a product name stands for.
    const NAMED: [(&str, Self); 11] = [
        ("twilio-python", Self::TwilioPython),
        ("twilio-node", Self::TwilioNode),
        ("twilio-java", Self::TwilioJava),
        ("twilio-go", Self::TwilioGo),
        ("twilio-ruby", Self::TwilioRuby),
        ("twilio-php", Self::TwilioPhp),
        ("twilio-csharp", Self::TwilioCsharp),
        ("curl", Self::Curl),
        ("libcurl", Self::Curl),
        ("python-requests", Self::Requests),
        ("python-urllib", Self::Urllib),
    ];

    /// The family of a request's sender, by the first product of its `User-Agent`.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(USER_AGENT) else { return Self::Unnamed };
        let text = value.to_str().unwrap_or_default();
        let product = text.split(['/', ' ']).next().unwrap_or_default();
        let found = Self::NAMED.iter().find(|(name, _)| product.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, agent)| *agent)
    }

    /// The family's word in reports.
    pub fn label(self) -> &'static str {
        let found = Self::NAMED.iter().find(|(_, agent)| *agent == self);
        found.map_or(if self == Self::Unnamed { "unnamed" } else { "other" }, |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::Agent;
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header::USER_AGENT;

    fn label(text: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        Agent::of(&headers).label()
    }

    #[test]
    fn the_official_sdks_are_known_by_what_they_send() {
        let python = "twilio-python/9.13.0 (Linux x86_64) Python/3.11.7";
        assert_eq!(label(python), "twilio-python");
        assert_eq!(label("twilio-node/6.2.0 (linux x64) node/v20.20.2"), "twilio-node");
        assert_eq!(label("twilio-go/1.30.1 (linux amd64) go/go1.24"), "twilio-go");
        assert_eq!(label("curl/7.88.1"), "curl");
        assert_eq!(label("Python-urllib/3.11"), "python-urllib");
    }

    #[test]
    fn what_is_not_known_is_named_by_none_of_its_own_words() {
        assert_eq!(label("my secret agent/1.0"), "other");
        assert_eq!(label("é"), "other");
        assert_eq!(label(""), "other");
        assert_eq!(Agent::of(&HeaderMap::new()).label(), "unnamed");
    }
}
