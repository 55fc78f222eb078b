//! The ten operations on a service's phone numbers and short codes.

use http::StatusCode;

use super::Call;
use super::Reply;
use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::numbering;
use crate::backend::page::List;
use crate::backend::state::World;
use crate::backend::state::number::Number;
use crate::policy::endpoint::Endpoint;
use crate::sid::Sid;
use crate::sid::SidKind;

/// A number or short code that is asked for.
struct Named {
    sid: Sid,
    text: String,
    reserved: bool,
}

pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    let sid = call.service()?;
    let service = world.service(sid)?;
    let (account, window) = (call.place(), call.window()?);
    let place = account.service(sid);
    let (kind, key, path) = if call.route.endpoint == Endpoint::ListShortCode {
        (SidKind::ShortCode, "short_codes", "ShortCodes")
    } else {
        (SidKind::PhoneNumber, "phone_numbers", "PhoneNumbers")
    };
    let list = List { key, url: &place.list(path) };
    let write = |number: &Number, out: &mut _| place.write_number(number, out);
    Ok(window.answer(&list, service.pool(kind), |_| true, write)?.into())
}

pub(super) fn create_phone_number(
    call: &Call<'_>,
    world: &mut World,
) -> Result<Reply, Problem> {
    create(call, world, phone_number, Code::NumberInService)
}

pub(super) fn create_short_code(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    create(call, world, short_code, Code::ShortCodeInService)
}

fn create(
    call: &Call<'_>,
    world: &mut World,
    named: fn(&Call<'_>, &World) -> Result<Named, Problem>,
    here: Code,
) -> Result<Reply, Problem> {
    let service = call.service()?;
    world.service(service)?;
    let Named { sid, text, reserved } = named(call, world)?;
    match world.home(sid).or_else(|| world.home_of_text(&text)) {
        Some(home) if home == service => return Err(here.into()),
        Some(_) => return Err(Code::InAnotherService.into()),
        None => {}
    }
    let number = Number::new(sid, text, reserved, call.now);
    world.share.take(number.weight())?;
    world.add_number(service, number)?;
    answer(call, world, sid, StatusCode::CREATED)
}

pub(super) fn fetch(call: &Call<'_>, world: &World) -> Result<Reply, Problem> {
    answer(call, world, number(call)?, StatusCode::OK)
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let sid = number(call)?;
    let pool = world.service_mut(call.service()?)?.pool_mut(sid.kind());
    let number = pool.get_mut(sid).ok_or(Problem::NotFound)?;
    number.reserved = call.form.flag("IsReserved")?.unwrap_or(number.reserved);
    number.updated = call.now;
    answer(call, world, sid, StatusCode::OK)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result<Reply, Problem> {
    let (service, sid) = (call.service()?, number(call)?);
    let pool = world.service(service)?.pool(sid.kind());
    if pool.get(sid).is_some_and(|number| number.in_use > 0) {
        return Err(Code::NumberInUse.into());
    }
    world.remove_number(service, sid)?;
    Ok(Reply::DELETED)
}

fn answer(
    call: &Call<'_>,
    world: &World,
    sid: Sid,
    status: StatusCode,
) -> Result<Reply, Problem> {
    let service = world.service(call.service()?)?;
    let number = service.pool(sid.kind()).get(sid).ok_or(Problem::NotFound)?;
    let account = call.place();
    Reply::written(status, |out| account.service(service.sid).write_number(number, out))
}

/// The number or short code that the path names.
fn number(call: &Call<'_>) -> Result<Sid, Problem> {
    let route = call.route;
    route.sid(SidKind::PhoneNumber).or_else(|_| route.sid(SidKind::ShortCode))
}

fn phone_number(call: &Call<'_>, _: &World) -> Result<Named, Problem> {
    let number = call.form.filled("PhoneNumber");
    if number.is_some_and(|number| !numbering::is_e164(number)) {
        return Err(Code::PhoneNumber.into());
    }
    let sid = match (call.form.filled("Sid"), number) {
        (Some(text), _) => Sid::parse_as(SidKind::PhoneNumber, text),
        (None, Some(number)) => numbering::sid_of(call.account, number),
        (None, None) => return Err(Problem::Missing("Sid or PhoneNumber")),
    };
    let sid = sid.ok_or(Code::PhoneNumberSid)?;
    let derived = || numbering::number_of(call.account, sid);
    let text = number.map_or_else(derived, str::to_owned);
    let reserved = call.form.flag("IsReserved")?.unwrap_or(false);
    Ok(Named { sid, text, reserved })
}

fn short_code(call: &Call<'_>, world: &World) -> Result<Named, Problem> {
    let text = call.form.filled("Sid").ok_or(Problem::Missing("Sid"))?;
    let sid = Sid::parse_as(SidKind::ShortCode, text).ok_or(Code::ShortCodeSid)?;
    let mut codes = numbering::short_codes_of(call.account, sid);
    let code = codes.find(|code| world.home_of_text(code).is_none());
    // Made of nothing but a SID, as in the API.
    Ok(Named { sid, text: code.ok_or(Problem::Internal)?, reserved: false })
}
