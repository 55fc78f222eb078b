//! Does what came of a case agree with what the case says, and with what holds for every case?

use crate::case::Answer;
use crate::case::Case;
use crate::case::Connection;
use crate::case::Details;
use crate::case::Outcome;
use crate::case::Request;
use crate::case::Step;
use crate::client::Heard;
use crate::client::show;
use crate::expand::Names;
use crate::expand::find;
use crate::judge;
use crate::message::Message;
use crate::message::latin;
use crate::upstream::Record;

/// Everything that is wrong; nothing where the gateway did right.
pub(crate) fn of(case: &Case, heard: &Heard, record: &Record) -> Vec<String> {
    let mut faults = heard.faults.clone();
    faults.extend(record.faults.iter().map(|fault| format!("at the upstream: {fault}")));
    for (index, answer) in heard.answers.iter().enumerate() {
        faults.extend(judge::of_answer(answer, case.is_old()));
        faults.extend(case.origin(index, answer));
    }
    for (index, wanted) in case.answers.iter().enumerate() {
        faults.extend(wanted.mismatch(heard.answers.get(index)));
    }
    let stray = heard.interims.iter().filter(|status| !case.interims.contains(status));
    faults.extend(stray.map(|status| format!("an interim answer: {status}")));
    faults.extend(requests_mismatch(&case.requests, &record.requests));
    faults.extend(case.echo_mismatch(heard, record));
    faults.extend(case.connection_mismatch(heard));
    faults
}

/// What the upstream saw and was not to see, or the other way round.
pub(crate) fn requests_mismatch(wanted: &[Request], seen: &[Message]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = seen.iter().peekable();
    for wanted in wanted {
        match seen.next_if(|request| request.start == wanted.line) {
            Some(request) => faults.extend(wanted.mismatch(request)),
            None if wanted.maybe => {}
            None => faults.push(format!("the upstream did not see {}", wanted.line)),
        }
    }
    faults.extend(seen.map(|request| format!("the upstream saw {}", show(request))));
    faults
}

impl Case {
    fn says(&self, text: &[u8]) -> bool {
        let writes = self.client.iter().filter_map(|step| match step {
            Step::Write(bytes) => Some(bytes.to_ascii_lowercase()),
            Step::AwaitInterim(_) | Step::AwaitAnswer => None,
        });
        writes.into_iter().any(|bytes| find(&bytes, text).is_some())
    }

    fn is_old(&self) -> bool {
        self.says(b" http/1.0\r\n")
    }

    /// An answer is the upstream's, to this very request (A4), or the gateway's own, in its
    /// form (D6, D11).
    fn origin(&self, index: usize, answer: &Message) -> Option<String> {
        if let Some(id) = answer.first("x-upstream-id") {
            let own = Names::id(self.number, index + 1);
            return (id != own).then(|| format!("answer {own} is that to {id}"));
        }
        let is_own = answer.first("content-type") == Some("application/json")
            && answer.first("x-maskgate-decision").is_some()
            && (self.answers.get(index).is_some_and(|wanted| wanted.to_head)
                || is_envelope(&answer.body, answer.status()));
        (!is_own).then(|| format!("no answer in the API's form: {}", show(answer)))
    }

    /// Whatever the upstream has answered by itself, the client gets.
    fn echo_mismatch(&self, heard: &Heard, record: &Record) -> Option<String> {
        let echoes =
            heard.answers.iter().filter(|a| a.first("x-upstream-id").is_some()).count();
        let seen = record.requests.len();
        (self.reply.is_none() && echoes != seen)
            .then(|| format!("{seen} requests forwarded, {echoes} answers passed on"))
    }

    fn connection_mismatch(&self, heard: &Heard) -> Option<String> {
        let last = heard.answers.last()?;
        let announced = last.first("connection").is_some_and(|value| value == "close");
        let asked = self.is_old() || self.ends || self.says(b"connection: close");
        match self.connection {
            Some(Connection::Closed) if !heard.closed => Some("not closed".to_owned()),
            Some(Connection::Closed) if last.whole && !announced && !asked => {
                Some("closed without `Connection: close`".to_owned())
            }
            Some(Connection::Open) if announced => Some("`Connection: close`".to_owned()),
            Some(Connection::Closed | Connection::Open) | None => None,
        }
    }
}

impl Answer {
    fn mismatch(&self, answer: Option<&Message>) -> Vec<String> {
        let outcome = match answer {
            Some(answer) if answer.whole => Outcome::Whole(answer.status()),
            Some(answer) => Outcome::Truncated(answer.status()),
            None => Outcome::None,
        };
        if !self.outcomes.contains(&outcome) {
            let shown = answer.map(show);
            return vec![format!("answered {outcome:?}, not {:?}: {shown:?}", self.outcomes)];
        }
        let is_choice = self.outcomes.len() > 1;
        match answer {
            Some(answer) if !is_choice || answer.first("x-upstream-id").is_some() => {
                self.details.mismatch(answer)
            }
            Some(_) | None => Vec::new(),
        }
    }
}

impl Details {
    fn mismatch(&self, message: &Message) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, value) in &self.has {
            let found: Vec<_> = message.all(name).collect();
            let fits = value.as_ref().is_none_or(|value| found == [value]) && !found.is_empty();
            if !fits {
                faults.push(format!("{name} is {found:?}, not {value:?}"));
            }
        }
        for name in self.lacks.iter().filter(|name| message.first(name).is_some()) {
            faults.push(format!("{name} is {:?}", message.first(name)));
        }
        if let Some(body) = self.body.as_ref().filter(|body| **body != message.body) {
            faults.push(format!("the body is {}, not {:?}", show(message), latin(body)));
        }
        if let Some(code) = self.code.filter(|code| envelope(&message.body)["code"] != *code) {
            faults.push(format!("no code {code}: {}", show(message)));
        }
        faults
    }
}

impl Request {
    /// A request of which a case says no body has none.
    fn mismatch(&self, request: &Message) -> Vec<String> {
        let mut faults = self.details.mismatch(request);
        if self.details.body.is_none() && !request.body.is_empty() {
            faults.push(format!("a body: {}", show(request)));
        }
        faults
    }
}

fn envelope(body: &[u8]) -> serde_json::Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// Whether `body` is a refusal in the API's form.
pub(crate) fn is_envelope(body: &[u8], status: u16) -> bool {
    let envelope = envelope(body);
    let code = envelope["code"].as_u64();
    let url = code.map(|code| format!("https://www.twilio.com/docs/errors/{code}"));
    envelope.as_object().is_some_and(|object| object.len() == 4)
        && envelope["status"] == status
        && envelope["message"].as_str().is_some_and(|message| !message.is_empty())
        && url.is_some_and(|url| envelope["more_info"] == *url)
}
