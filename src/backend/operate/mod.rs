//! What does each operation do? One function for each, on the caller's account's world.

mod choice;
mod interactions;
mod numbers;
mod participants;
mod services;
mod sessions;

use http::StatusCode;

use super::draws::Draws;
use super::error::Problem;
use super::form::Form;
use super::moment::Moment;
use super::page::Window;
use super::resource::AccountPlace;
use super::route::Route;
use super::state::World;
use super::state::Worlds;
use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::sid::SidKind;

/// A success.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// JSON; empty where something was deleted.
    pub(super) body: Vec<u8>,
}

impl Reply {
    const DELETED: Self = Self { status: StatusCode::NO_CONTENT, body: Vec::new() };

    /// An answer whose JSON `write` adds to an empty body.
    fn written(
        status: StatusCode,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<Self, Problem> {
        let mut body = Vec::with_capacity(1024);
        write(&mut body)?;
        Ok(Self { status, body })
    }
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

/// One request, as far as the operations have to know it.
pub(super) struct Call<'a> {
    pub(super) account: Sid,
    /// Scheme and host of the addresses in the answer.
    pub(super) base: &'a str,
    pub(super) route: &'a Route<'a>,
    pub(super) query: &'a str,
    pub(super) form: &'a Form,
    pub(super) now: Moment,
    pub(super) draws: &'a Draws,
}

impl Call<'_> {
    fn place(&self) -> AccountPlace {
        AccountPlace::new(self.base, self.account)
    }

    fn window(&self) -> Result<Window, Problem> {
        Window::read(self.query)
    }

    fn service(&self) -> Result<Sid, Problem> {
        self.route.sid(SidKind::Service)
    }

    fn session(&self) -> Result<Sid, Problem> {
        self.route.sid(SidKind::Session)
    }

    fn participant(&self) -> Result<Sid, Problem> {
        self.route.sid(SidKind::Participant)
    }

    fn interaction(&self) -> Result<Sid, Problem> {
        self.route.sid(SidKind::Interaction)
    }
}

/// An operation that only looks.
type Look = fn(&Call<'_>, &World) -> Result<Reply, Problem>;
/// An operation that changes something.
type Change = fn(&Call<'_>, &mut World) -> Result<Reply, Problem>;

/// Carries out the operation that the call's route names.
pub(super) fn run(worlds: &Worlds, call: &Call<'_>) -> Result<Reply, Problem> {
    let look = |look: Look| worlds.read(call.account, call.now, |world| look(call, world));
    let change =
        |change: Change| worlds.write(call.account, call.now, |world| change(call, world));
    match call.route.endpoint {
        Endpoint::ListService => look(services::list),
        Endpoint::CreateService => change(services::create),
        Endpoint::FetchService => look(services::fetch),
        Endpoint::UpdateService => change(services::update),
        Endpoint::DeleteService => change(services::delete),
        Endpoint::ListPhoneNumber | Endpoint::ListShortCode => look(numbers::list),
        Endpoint::CreatePhoneNumber => change(numbers::create_phone_number),
        Endpoint::CreateShortCode => change(numbers::create_short_code),
        Endpoint::FetchPhoneNumber | Endpoint::FetchShortCode => look(numbers::fetch),
        Endpoint::UpdatePhoneNumber | Endpoint::UpdateShortCode => change(numbers::update),
        Endpoint::DeletePhoneNumber | Endpoint::DeleteShortCode => change(numbers::delete),
        Endpoint::ListSession => look(sessions::list),
        Endpoint::CreateSession => change(sessions::create),
        Endpoint::FetchSession => look(sessions::fetch),
        Endpoint::UpdateSession => change(sessions::update),
        Endpoint::DeleteSession => change(sessions::delete),
        Endpoint::ListParticipant => look(participants::list),
        Endpoint::CreateParticipant => change(participants::create),
        Endpoint::FetchParticipant => look(participants::fetch),
        Endpoint::DeleteParticipant => change(participants::delete),
        Endpoint::ListInteraction => look(interactions::list),
        Endpoint::FetchInteraction => look(interactions::fetch),
        Endpoint::DeleteInteraction => change(interactions::delete),
        Endpoint::ListMessageInteraction => look(interactions::list_messages),
        Endpoint::CreateMessageInteraction => change(interactions::send_message),
        Endpoint::FetchMessageInteraction => look(interactions::fetch_message),
        Endpoint::Unmatched => Err(Problem::NotFound),
    }
}
