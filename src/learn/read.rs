//! Is the answer what it should be? JSON becomes facts, all of them or none.

use serde::Deserialize;

use super::facts::Facts;
use super::facts::Lesson;
use super::facts::NumberFact;
use super::facts::ParticipantFact;
use super::facts::ServiceFact;
use super::facts::SessionFact;
use super::record::Interaction;
use super::record::Meta;
use super::record::Number;
use super::record::Owner;
use super::record::Page;
use super::record::Participant;
use super::record::Record;
use super::record::Service;
use super::record::Session;
use super::subject::Subject;
use crate::policy::endpoint::Endpoint;
use crate::policy::pools::NumberKind;
use crate::sid::Sid;
use crate::sid::SidKind;

/// The resources of one answer.
struct Records<T> {
    list: Vec<T>,
    account: Option<Sid>,
    next_page: Option<String>,
    is_whole_list: bool,
}

/// What an answer with a 2xx and this body tells; nothing where it is not what it should be.
pub fn read(subject: &Subject, json: &[u8]) -> Option<Lesson> {
    use Endpoint as E;
    match subject.endpoint {
        E::ListService | E::CreateService | E::FetchService | E::UpdateService => {
            services(records(subject, json)?)
        }
        E::ListPhoneNumber
        | E::CreatePhoneNumber
        | E::FetchPhoneNumber
        | E::UpdatePhoneNumber
        | E::ListShortCode
        | E::CreateShortCode
        | E::FetchShortCode
        | E::UpdateShortCode => numbers(subject, records(subject, json)?),
        E::ListSession | E::CreateSession | E::FetchSession | E::UpdateSession => {
            sessions(subject, records(subject, json)?)
        }
        E::ListParticipant | E::CreateParticipant | E::FetchParticipant => {
            participants(subject, records(subject, json)?)
        }
        E::ListInteraction
        | E::FetchInteraction
        | E::ListMessageInteraction
        | E::CreateMessageInteraction
        | E::FetchMessageInteraction => {
            let records: Records<Interaction> = records(subject, json)?;
            Some(records.lesson(Facts::Interactions))
        }
        E::DeleteService
        | E::DeletePhoneNumber
        | E::DeleteShortCode
        | E::DeleteSession
        | E::DeleteParticipant
        | E::DeleteInteraction
        | E::Unmatched => None,
    }
}

/// The resources in `json`, if they are all of one account and of the service that was asked.
fn records<'a, T: Record + Deserialize<'a>>(
    subject: &Subject,
    json: &'a [u8],
) -> Option<Records<T>> {
    let (list, meta) = if is_list(subject.endpoint) {
        let Page { records, meta } = serde_json::from_slice(json).ok()?;
        (records, Some(meta))
    } else {
        (vec![serde_json::from_slice::<T>(json).ok()?], None)
    };
    let account = list.first().map(|record| record.owner().account);
    let is_expected = |record: &T| {
        let Owner { account: of, service } = record.owner();
        let are_sids = of.kind() == SidKind::Account && service.kind() == SidKind::Service;
        are_sids && Some(of) == account && agrees(subject.service, service)
    };
    if !list.iter().all(is_expected) {
        return None;
    }
    let is_alone =
        |meta: &Meta<'_>| meta.next_page_url.is_none() && meta.previous_page_url.is_none();
    let is_whole_list = meta.as_ref().is_some_and(is_alone);
    let next_page = meta.and_then(|meta| meta.next_page_url);
    let next_page = next_page.map(|url| url.0.into_owned());
    Some(Records { list, account, next_page, is_whole_list })
}

const fn is_list(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::ListService
            | Endpoint::ListPhoneNumber
            | Endpoint::ListShortCode
            | Endpoint::ListSession
            | Endpoint::ListParticipant
            | Endpoint::ListInteraction
            | Endpoint::ListMessageInteraction
    )
}

/// Whether what the path names, if it does, is what the answer says.
fn agrees(asked: Option<Sid>, told: Sid) -> bool {
    asked.is_none_or(|asked| asked == told)
}

impl<T> Records<T> {
    fn lesson(self, facts: Facts) -> Lesson {
        let Self { account, next_page, is_whole_list, .. } = self;
        Lesson { account, facts, next_page, is_whole_list }
    }

    /// The facts of all of them, if each is as it should be.
    fn each<F>(&self, fact: impl FnMut(&T) -> Option<F>) -> Option<Vec<F>> {
        self.list.iter().map(fact).collect()
    }
}

fn services(records: Records<Service<'_>>) -> Option<Lesson> {
    let facts = records.each(|service| {
        let unique_name = service.unique_name.0.clone().into_owned();
        Some(ServiceFact { sid: service.sid, unique_name })
    })?;
    Some(records.lesson(Facts::Services(facts)))
}

fn numbers(subject: &Subject, records: Records<Number>) -> Option<Lesson> {
    let kind = subject.numbers();
    let facts = records.each(|number| {
        let Number { sid, is_reserved, in_use, .. } = *number;
        let is_expected = NumberKind::of(sid) == kind && agrees(subject.number, sid);
        is_expected.then_some(NumberFact { sid, is_reserved, in_use })
    })?;
    Some(records.lesson(Facts::Numbers(facts)))
}

fn sessions(subject: &Subject, records: Records<Session<'_>>) -> Option<Lesson> {
    let facts = records.each(|session| {
        let sid = session.sid;
        let is_active = !matches!(session.status.0.as_ref(), "closed" | "failed");
        let is_expected = sid.kind() == SidKind::Session && agrees(subject.session, sid);
        is_expected.then_some(SessionFact { sid, is_active })
    })?;
    Some(records.lesson(Facts::Sessions(facts)))
}

fn participants(subject: &Subject, records: Records<Participant<'_>>) -> Option<Lesson> {
    let facts = records.each(|participant| {
        let (sid, session) = (participant.sid, participant.session_sid);
        let number = participant.proxy_identifier_sid;
        let is_active = participant.date_deleted.is_none();
        let is_expected = sid.kind() == SidKind::Participant
            && agrees(subject.session, session)
            && agrees(subject.participant, sid);
        is_expected.then_some(ParticipantFact { sid, session, number, is_active })
    })?;
    Some(records.lesson(Facts::Participants(facts)))
}
