//! The five operations on services.

use http::StatusCode;

use super::Call;
use super::Reply;
use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::form::Form;
use crate::backend::page::List;
use crate::backend::state::World;
use crate::backend::state::service::Service;
use crate::backend::state::service::Settings;
use crate::backend::words::GeoMatch;
use crate::backend::words::Selection;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The hosted API's own host, which cannot be called back.
const HOSTED: &str = "proxy.twilio.com";

pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let place = call.place();
    let list = List { key: "services", url: &place.services };
    let write = |service: &Service, out: &mut _| place.write_service(service, out);
    Ok(call.window()?.answer(&list, &world.services, |_| true, write)?.into())
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    call.form.filled("UniqueName").ok_or(Problem::Missing("UniqueName"))?;
    let settings = changed(Settings::default(), call.form)?;
    if world.names.contains_key(&settings.unique_name) {
        return Err(Code::ServiceName.into());
    }
    world.share.take(settings.weight())?;
    let sid = call.draws.sid(SidKind::Service);
    world.names.insert(settings.unique_name.clone(), sid);
    world.services.insert(sid, Service::new(sid, settings, call.now));
    answer(call, world, sid, StatusCode::CREATED)
}

pub(super) fn fetch(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let by_sid = call.service().ok().filter(|sid| world.services.contains(*sid));
    let by_name = || call.route.names().find_map(|name| world.names.get(name).copied());
    let sid = by_sid.or_else(by_name).ok_or(Problem::NotFound)?;
    answer(call, world, sid, StatusCode::OK)
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let sid = call.service()?;
    let before = world.service(sid)?.settings.clone();
    let after = changed(before.clone(), call.form)?;
    let renamed = before.unique_name != after.unique_name;
    if renamed && world.names.contains_key(&after.unique_name) {
        return Err(Code::ServiceName.into());
    }
    world.share.take(after.weight().saturating_sub(before.weight()))?;
    world.share.give_back(before.weight().saturating_sub(after.weight()));
    if renamed {
        world.names.remove(&before.unique_name);
        world.names.insert(after.unique_name.clone(), sid);
    }
    let service = world.service_mut(sid)?;
    service.settings = after;
    service.updated = call.now;
    answer(call, world, sid, StatusCode::OK)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    world.remove_service(call.service()?)?;
    Ok(Reply::DELETED)
}

fn answer(
    call: &Call<'_>,
    world: &World,
    sid: Sid,
    status: StatusCode,
) -> Result<Reply, Problem> {
    let service = world.service(sid)?;
    Reply::written(status, |out| call.place().write_service(service, out))
}

/// The settings with what the form names changed.
fn changed(mut settings: Settings, form: &Form) -> Result<Settings, Problem> {
    if let Some(name) = form.filled("UniqueName") {
        name.clone_into(&mut settings.unique_name);
    }
    if form.filled("DefaultTtl").is_some() {
        settings.default_ttl = form.seconds("DefaultTtl")?.unwrap_or_default();
    }
    if let Some(word) = form.filled("GeoMatchLevel") {
        let wrong = "It must be country, area-code, extended-area-code, overlay or radius";
        settings.geo_match =
            GeoMatch::parse(word).ok_or(Problem::invalid("GeoMatchLevel", wrong))?;
    }
    if let Some(word) = form.filled("NumberSelectionBehavior") {
        let wrong =
            Problem::invalid("NumberSelectionBehavior", "It must be prefer- or avoid-sticky");
        settings.selection = Selection::parse(word).ok_or(wrong)?;
    }
    if let Some(text) = form.text("ChatInstanceSid") {
        settings.chat_instance_sid = chat_instance(text)?;
    }
    url(form, "CallbackUrl", &mut settings.callback_url)?;
    url(form, "InterceptCallbackUrl", &mut settings.intercept_callback_url)?;
    url(form, "OutOfSessionCallbackUrl", &mut settings.out_of_session_callback_url)?;
    Ok(settings)
}

/// Sets an address, or unsets it where it is sent empty.
fn url(form: &Form, name: &'static str, to: &mut Option<String>) -> Result<(), Problem> {
    if let Some(text) = form.text(name) {
        if host(text).is_some_and(|host| host.eq_ignore_ascii_case(HOSTED)) {
            return Err(Problem::invalid(name, "It must not be an address of the API itself"));
        }
        *to = (!text.is_empty()).then(|| text.to_owned());
    }
    Ok(())
}

/// The host of an address `scheme://user@host:port/path`, where it has one.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some(host.strip_suffix('.').unwrap_or(host))
}

fn chat_instance(text: &str) -> Result<Option<String>, Problem> {
    let digits = text.strip_prefix("IS").unwrap_or_default();
    let fits = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text {
        "" => Ok(None),
        _ if fits => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid("ChatInstanceSid", "It must be IS and 32 hex digits")),
    }
}
