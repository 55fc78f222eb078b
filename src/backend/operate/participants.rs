//! The four operations on participants, and how one comes into a session.

use http::StatusCode;
use serde_json::Map;
use serde_json::Value;

use super::Call;
use super::Reply;
use super::choice;
use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::form::Form;
use crate::backend::form::flag;
use crate::backend::numbering;
use crate::backend::page::List;
use crate::backend::state::World;
use crate::backend::state::session::Participant;
use crate::backend::state::session::Session;
use crate::backend::words::Mode;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The most active participants of a session.
const MAX: usize = 2;

const NOT_OBJECTS: Problem =
    Problem::invalid("Participants", "Each must be a JSON object with an Identifier");

pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let (service, sid) = (call.service()?, call.session()?);
    let session = world.session(service, sid)?;
    let (account, window) = (call.place(), call.window()?);
    let service = account.service(service);
    let place = service.session(sid);
    let list = List { key: "participants", url: &place.list("Participants") };
    let active = |participant: &Participant| participant.deleted.is_none();
    let write =
        |participant: &Participant, out: &mut _| place.write_participant(participant, out);
    Ok(window.answer(&list, &session.participants, active, write)?.into())
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let at = (call.service()?, call.session()?);
    world.session(at.0, at.1)?;
    let wanted = Wanted::of_form(call, world)?;
    let sid = add(call, world, at, wanted)?;
    answer(call, world, sid, StatusCode::CREATED)
}

pub(super) fn fetch(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    answer(call, world, call.participant()?, StatusCode::OK)
}

/// Deletes a participant. It is kept out of sight, so that it cannot come back.
pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let (sid, of, now) = (call.session()?, call.participant()?, call.now);
    let service = world.service_mut(call.service()?)?;
    let session = service.sessions.get_mut(sid).ok_or(Problem::NotFound)?;
    let open = session.is_open();
    let participant = session.participants.get_mut(of).filter(|found| found.deleted.is_none());
    let participant = participant.ok_or(Problem::NotFound)?;
    participant.deleted = Some(now);
    participant.updated = now;
    let (identifier, number) = (participant.identifier.clone(), participant.proxy);
    if open {
        service.leave(sid, &identifier, number);
    }
    Ok(Reply::DELETED)
}

fn answer(
    call: &Call<'_>,
    world: &World,
    sid: Sid,
    status: StatusCode,
) -> Result<Reply, Problem> {
    let session = world.session(call.service()?, call.session()?)?;
    let participant = session.participant(sid).ok_or(Problem::NotFound)?;
    let account = call.place();
    let service = account.service(call.service()?);
    Reply::written(status, |out| {
        service.session(session.sid).write_participant(participant, out)
    })
}

/// A participant that is asked for.
pub(super) struct Wanted {
    identifier: String,
    friendly_name: Option<String>,
    /// The number that is asked for, and that is in the service's pool.
    proxy: Option<Sid>,
}

impl Wanted {
    fn of_form(call: &Call<'_>, world: &World) -> Result<Self, Problem> {
        let given = |name: &str| call.form.filled(name).map(str::to_owned);
        Self::read(call, world, given)
    }

    /// Those in the `Participants` of a session that is made: JSON objects, one to a value; a
    /// JSON array of them is read as well.
    pub(super) fn of_session(call: &Call<'_>, world: &World) -> Result<Vec<Self>, Problem> {
        let mut objects = Vec::new();
        for text in call.form.all("Participants").filter(|text| !text.is_empty()) {
            match serde_json::from_str(text).map_err(|_| NOT_OBJECTS)? {
                Value::Array(values) => objects.extend(values),
                value @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => objects.push(value),
            }
        }
        if objects.len() > MAX {
            return Err(Code::TooManyParticipants.into());
        }
        let read = |value: &Value| {
            let object = value.as_object().ok_or(NOT_OBJECTS)?;
            Self::read(call, world, |name| member(object, name))
        };
        objects.iter().map(read).collect()
    }

    fn read(
        call: &Call<'_>,
        world: &World,
        given: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problem> {
        let identifier = given("Identifier").ok_or(Problem::Missing("Identifier"))?;
        if !numbering::is_identifier(&identifier) {
            return Err(Code::Identifier.into());
        }
        let proxy = proxy(call, world, &given)?;
        let service = world.service(call.service()?)?;
        let number = proxy.and_then(|sid| service.pool(sid.kind()).get(sid));
        if number.is_some_and(|number| number.text == identifier) {
            return Err(Code::IdentifierPair.into());
        }
        Ok(Self { identifier, friendly_name: given("FriendlyName"), proxy })
    }
}

/// A member of a JSON object, whose name may be written in any of the SDKs' ways:
/// `ProxyIdentifier`, `proxyIdentifier`, `proxy_identifier`.
fn member(object: &Map<String, Value>, name: &str) -> Option<String> {
    let same = |key: &str| {
        let letters = key.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase);
        letters.eq(name.chars().flat_map(char::to_lowercase))
    };
    let (_, value) = object.iter().find(|(key, _)| same(key))?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    (!text.is_empty() && !value.is_null()).then_some(text)
}

/// The number that is asked for by `ProxyIdentifier`, `ProxyIdentifierSid` or both.
fn proxy(
    call: &Call<'_>,
    world: &World,
    given: impl Fn(&str) -> Option<String>,
) -> Result<Option<Sid>, Problem> {
    let service = world.service(call.service()?)?;
    let by_text = given("ProxyIdentifier")
        .map(|text| {
            in_service(world.home_of_text(&text), service.sid)?;
            let found = service.numbers().find(|number| number.text == text);
            Ok::<_, Problem>(found.ok_or(Code::ProxyNotInService)?.sid)
        })
        .transpose()?;
    let by_sid = given("ProxyIdentifierSid")
        .map(|text| {
            let sid = Sid::parse_as(SidKind::PhoneNumber, &text)
                .or_else(|| Sid::parse_as(SidKind::ShortCode, &text))
                .ok_or(Code::PhoneNumberSid)?;
            in_service(world.home(sid), service.sid)?;
            Ok::<_, Problem>(sid)
        })
        .transpose()?;
    match (by_text, by_sid) {
        (Some(one), Some(other)) if one != other => Err(Code::IdentifierPair.into()),
        (one, other) => Ok(one.or(other)),
    }
}

fn in_service(home: Option<Sid>, service: Sid) -> Result<(), Problem> {
    match home {
        None => Err(Code::ProxyNotOwned.into()),
        Some(home) if home == service => Ok(()),
        Some(_) => Err(Code::ProxyNotInService.into()),
    }
}

/// What a caller is told whose identifier has a number in another open session already: the
/// older clients' `FailOnParticipantConflict` asks for another error than the usual one.
pub(super) fn conflict(form: &Form, usual: Code) -> Problem {
    let asked = form.text("FailOnParticipantConflict").and_then(flag).unwrap_or(false);
    if asked { Code::DuplicateParticipant.into() } else { usual.into() }
}

/// Adds a participant to a session of a service.
pub(super) fn add(
    call: &Call<'_>,
    world: &mut World,
    (service, session): (Sid, Sid),
    wanted: Wanted,
) -> Result<Sid, Problem> {
    let found = world.service(service)?;
    let into = world.session(service, session)?;
    may_join(into, &wanted)?;
    let number = match wanted.proxy {
        Some(number) if found.is_busy(&wanted.identifier, number) => {
            return Err(conflict(call.form, Code::ProxyInUse));
        }
        Some(number) if number.kind() == SidKind::ShortCode && into.mode == Mode::VoiceOnly => {
            return Err(Code::NoVoiceProxy.into());
        }
        Some(number) => number,
        None => choice::choose(found, into, &wanted.identifier)?,
    };
    let pool = found.pool(number.kind());
    let participant = Participant {
        sid: call.draws.sid(SidKind::Participant),
        identifier: wanted.identifier,
        friendly_name: wanted.friendly_name,
        proxy: number,
        proxy_text: pool.get(number).ok_or(Code::ProxyNotInService)?.text.clone(),
        deleted: None,
        created: call.now,
        updated: call.now,
    };
    world.share.take(participant.weight())?;
    let service = world.service_mut(service)?;
    service.join(session, &participant.identifier, number);
    let into = service.sessions.get_mut(session).ok_or(Problem::NotFound)?;
    let sid = participant.sid;
    into.participants.insert(sid, participant);
    Ok(sid)
}

fn may_join(session: &Session, wanted: &Wanted) -> Result<(), Problem> {
    if !session.is_open() {
        return Err(Code::SessionClosed.into());
    }
    if session.mode == Mode::VoiceOnly && !numbering::is_e164(&wanted.identifier) {
        return Err(Code::IdentifierForMode.into());
    }
    let mut all = session.participants.iter();
    if let Some(same) = all.find(|other| other.identifier == wanted.identifier) {
        let talked = session.interactions.iter().any(|sent| sent.participant == same.sid);
        let gone = same.deleted.is_some();
        let code = if gone && talked {
            Code::ParticipantInInteraction
        } else {
            Code::ParticipantInSession
        };
        return Err(code.into());
    }
    if session.active().count() >= MAX {
        return Err(Code::TooManyParticipants.into());
    }
    Ok(())
}
