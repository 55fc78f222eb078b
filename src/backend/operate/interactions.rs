//! The six operations on interactions and message interactions, which are the same things
//! under two addresses.

use http::StatusCode;
use serde::Serialize;

use super::Call;
use super::Reply;
use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::page::List;
use crate::backend::resource::identifier;
use crate::backend::state::World;
use crate::backend::state::session::Interaction;
use crate::backend::state::session::Session;
use crate::backend::words::Mode;
use crate::sid::Sid;
use crate::sid::SidKind;

pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let (service, sid) = (call.service()?, call.session()?);
    let session = world.session(service, sid)?;
    let (account, window) = (call.place(), call.window()?);
    let service = account.service(service);
    let place = service.session(sid);
    let list = List { key: "interactions", url: &place.list("Interactions") };
    let write =
        |interaction: &Interaction, out: &mut _| place.write_interaction(interaction, out);
    Ok(window.answer(&list, &session.interactions, |_| true, write)?.into())
}

pub(super) fn list_messages(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let (service, sid, to) = (call.service()?, call.session()?, call.participant()?);
    let session = with_participant(call, world)?;
    let (account, window) = (call.place(), call.window()?);
    let service = account.service(service);
    let place = service.session(sid);
    let list = List { key: "interactions", url: &place.messages(to) };
    let own = |interaction: &Interaction| interaction.participant == to;
    let write = |interaction: &Interaction, out: &mut _| place.write_message(interaction, out);
    Ok(window.answer(&list, &session.interactions, own, write)?.into())
}

pub(super) fn fetch(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let session = world.session(call.service()?, call.session()?)?;
    let interaction = session.interactions.get(call.interaction()?).ok_or(Problem::NotFound)?;
    let account = call.place();
    let service = account.service(call.service()?);
    Reply::written(StatusCode::OK, |out| {
        service.session(session.sid).write_interaction(interaction, out)
    })
}

pub(super) fn fetch_message(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    answer_message(call, world, call.interaction()?, StatusCode::OK)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let service = world.service_mut(call.service()?)?;
    let session = service.sessions.get_mut(call.session()?).ok_or(Problem::NotFound)?;
    let removed = session.interactions.remove(call.interaction()?).ok_or(Problem::NotFound)?;
    world.share.give_back(removed.weight());
    Ok(Reply::DELETED)
}

/// "Sends" a message to a participant: notes that it was sent.
pub(super) fn send_message(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let session = with_participant(call, world)?;
    let body = call.form.filled("Body");
    let media: Vec<&str> = call.form.all("MediaUrl").filter(|url| !url.is_empty()).collect();
    if body.is_none() && media.is_empty() {
        return Err(Problem::Missing("Body or MediaUrl"));
    }
    if !session.is_open() {
        return Err(Code::SessionClosed.into());
    }
    if session.mode == Mode::VoiceOnly {
        return Err(Code::NoMessageProxy.into());
    }
    let prefix = if media.is_empty() { "SM" } else { "MM" };
    let interaction = Interaction {
        sid: call.draws.sid(SidKind::Interaction),
        participant: call.participant()?,
        resource: identifier(prefix, call.draws.bits().to_be_bytes()),
        data: serde_json::to_string(&Data {
            body: body.unwrap_or_default(),
            media_url: media,
        })?,
        created: call.now,
    };
    let (service, session, sid) = (call.service()?, session.sid, interaction.sid);
    world.share.take(interaction.weight())?;
    world.change_session(service, session, |service| {
        let session = service.sessions.get_mut(session).ok_or(Problem::NotFound)?;
        session.interactions.insert(sid, interaction);
        session.interacted(call.now);
        Ok(())
    })?;
    answer_message(call, world, sid, StatusCode::CREATED)
}

/// What an interaction's `data` says of a message.
#[derive(Serialize)]
struct Data<'a> {
    body: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media_url: Vec<&'a str>,
}

fn answer_message(
    call: &Call<'_>,
    world: &World,
    sid: Sid,
    status: StatusCode,
) -> Result<Reply, Problem> {
    let session = with_participant(call, world)?;
    let own = call.participant()?;
    let interaction = session.interactions.get(sid).filter(|found| found.participant == own);
    let interaction = interaction.ok_or(Problem::NotFound)?;
    let account = call.place();
    let service = account.service(call.service()?);
    Reply::written(status, |out| service.session(session.sid).write_message(interaction, out))
}

/// The path's session, if the path's participant is in it.
fn with_participant<'a>(call: &Call<'_>, world: &'a World) -> Result<&'a Session, Problem> {
    let session = world.session(call.service()?, call.session()?)?;
    session.participant(call.participant()?).ok_or(Problem::NotFound)?;
    Ok(session)
}
