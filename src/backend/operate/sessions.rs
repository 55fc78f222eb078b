//! The five operations on sessions.

use http::StatusCode;

use super::Call;
use super::Reply;
use super::participants;
use super::participants::Wanted;
use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::form::Change;
use crate::backend::form::Form;
use crate::backend::moment::Moment;
use crate::backend::page::List;
use crate::backend::state::World;
use crate::backend::state::service::Service;
use crate::backend::state::session::Session;
use crate::backend::state::table::Table;
use crate::backend::words::Mode;
use crate::backend::words::Status;
use crate::sid::Sid;
use crate::sid::SidKind;

const MODE: Problem =
    Problem::invalid("Mode", "It must be message-only, voice-only or voice-and-message");
const STATUS: Problem =
    Problem::invalid("Status", "It must be open, in-progress, closed, failed or unknown");
const PAST: Problem = Problem::invalid("DateExpiry", "It must not be in the past");

/// Why a session is closed that was closed by a request.
const BY_REQUEST: &str = "api";

pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let sid = call.service()?;
    let service = world.service(sid)?;
    let (account, window) = (call.place(), call.window()?);
    let place = account.service(sid);
    let list = List { key: "sessions", url: &place.list("Sessions") };
    let write = |session: &Session, out: &mut _| place.write_session(session, out);
    Ok(window.answer(&list, &service.sessions, |_| true, write)?.into())
}

/// Makes a session with its participants, or nothing.
pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let service = world.service(call.service()?)?;
    let session = new(call, service)?;
    if session.unique_name.as_ref().is_some_and(|name| service.names.contains_key(name)) {
        return Err(Code::SessionName.into());
    }
    let wanted = Wanted::of_session(call, world)?;
    let (service, sid) = (service.sid, session.sid);
    world.share.take(session.own_weight())?;
    world.change_session(service, sid, |service| {
        if let Some(name) = &session.unique_name {
            service.names.insert(name.clone(), sid);
        }
        service.sessions.insert(sid, session);
        Ok(())
    })?;
    let added = wanted.into_iter().try_for_each(|wanted| {
        participants::add(call, world, (service, sid), wanted).map(|_| ())
    });
    if let Err(problem) = added {
        world.remove_session(service, sid)?;
        return Err(problem);
    }
    answer(call, world, sid, StatusCode::CREATED)
}

pub(super) fn fetch(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let service = world.service(call.service()?)?;
    let by_sid = call.session().ok().filter(|sid| service.sessions.contains(*sid));
    let by_name = || call.route.names().find_map(|name| service.names.get(name).copied());
    let sid = by_sid.or_else(by_name).ok_or(Problem::NotFound)?;
    answer(call, world, sid, StatusCode::OK)
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let (service, sid) = (call.service()?, call.session()?);
    world.session(service, sid)?;
    let changes = Changes::read(call)?;
    world.change_session(service, sid, |service| changes.make(call, service, sid))?;
    answer(call, world, sid, StatusCode::OK)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    world.remove_session(call.service()?, call.session()?)?;
    Ok(Reply::DELETED)
}

fn answer(
    call: &Call<'_>,
    world: &World,
    sid: Sid,
    status: StatusCode,
) -> Result<Reply, Problem> {
    let service = call.service()?;
    let session = world.session(service, sid)?;
    Reply::written(status, |out| call.place().service(service).write_session(session, out))
}

fn new(call: &Call<'_>, service: &Service) -> Result<Session, Problem> {
    let (form, now) = (call.form, call.now);
    let status = status(form)?.unwrap_or_default();
    if !matches!(status, Status::Open | Status::InProgress) {
        return Err(Code::SessionStatus.into());
    }
    let mode = form.filled("Mode").map_or(Some(Mode::default()), Mode::parse).ok_or(MODE)?;
    Ok(Session {
        sid: call.draws.sid(SidKind::Session),
        unique_name: form.filled("UniqueName").map(str::to_owned),
        mode,
        status,
        closed_reason: "",
        ttl: ttl(form)?.unwrap_or(service.settings.default_ttl),
        ttl_from: now,
        date_expiry: date_expiry(call)?.after(None),
        started: (status == Status::InProgress).then_some(now),
        ended: None,
        last_interaction: None,
        created: now,
        updated: now,
        participants: Table::default(),
        interactions: Table::default(),
    })
}

/// What an update names.
struct Changes {
    status: Option<Status>,
    ttl: Option<u32>,
    date_expiry: Change<Moment>,
}

impl Changes {
    fn read(call: &Call<'_>) -> Result<Self, Problem> {
        Ok(Self {
            status: status(call.form)?,
            ttl: ttl(call.form)?,
            date_expiry: date_expiry(call)?,
        })
    }

    fn make(&self, call: &Call<'_>, service: &mut Service, sid: Sid) -> Result<(), Problem> {
        let session = service.sessions.get(sid).ok_or(Problem::NotFound)?;
        let before = session.status;
        match (before, self.status.unwrap_or(before)) {
            (Status::Closed, Status::Closed) if self.times() => {
                return Err(Code::SessionClosed.into());
            }
            (Status::Closed, Status::Closed) => return Ok(()),
            (Status::Closed, Status::InProgress) => self.reopen(call, service, sid)?,
            (Status::Open | Status::InProgress, Status::Closed) => {
                service.close(sid, BY_REQUEST, call.now);
            }
            (Status::Open, Status::InProgress) => start(service, sid, call.now),
            (before, after) if before == after => {}
            (_, _) => return Err(Code::SessionStatus.into()),
        }
        let session = service.sessions.get_mut(sid).ok_or(Problem::NotFound)?;
        if let Some(ttl) = self.ttl {
            session.ttl = ttl;
            session.ttl_from = call.now;
        }
        session.date_expiry = self.date_expiry.after(session.date_expiry);
        session.updated = call.now;
        Ok(())
    }

    /// Whether it changes when the session ends.
    fn times(&self) -> bool {
        self.ttl.is_some() || self.date_expiry != Change::Keep
    }

    /// Opens a closed session, with the numbers that its participants had.
    fn reopen(&self, call: &Call<'_>, service: &mut Service, sid: Sid) -> Result<(), Problem> {
        let session = service.sessions.get(sid).ok_or(Problem::NotFound)?;
        let expiry = self.date_expiry.after(session.date_expiry);
        if expiry.is_some_and(|expiry| expiry <= call.now) {
            return Err(Code::Reopening.into());
        }
        for participant in session.active() {
            let number = participant.proxy;
            if service.is_busy(&participant.identifier, number) {
                return Err(participants::conflict(call.form, Code::Reopening));
            }
            if !service.pool(number.kind()).contains(number) {
                return Err(Code::Reopening.into());
            }
        }
        service.reopen(sid, call.now);
        Ok(())
    }
}

fn start(service: &mut Service, sid: Sid, now: Moment) {
    if let Some(session) = service.sessions.get_mut(sid) {
        session.status = Status::InProgress;
        session.started = session.started.or(Some(now));
    }
}

fn status(form: &Form) -> Result<Option<Status>, Problem> {
    form.filled("Status").map(|word| Status::parse(word).ok_or(STATUS)).transpose()
}

fn ttl(form: &Form) -> Result<Option<u32>, Problem> {
    if form.filled("Ttl").is_none() { Ok(None) } else { form.seconds("Ttl") }
}

fn date_expiry(call: &Call<'_>) -> Result<Change<Moment>, Problem> {
    match call.form.date("DateExpiry")? {
        Change::Set(date) if date <= call.now => Err(PAST),
        change @ (Change::Keep | Change::Unset | Change::Set(_)) => Ok(change),
    }
}
