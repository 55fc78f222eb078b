//! What does the gateway learn from an answer? From its head at once; from its body before the
//! client has the last byte.
//!
//! **Invariant:** only a 2xx teaches anything, but for the 404 of a name. What cannot be read is
//! counted, and leaves what depends on it uncertain instead of wrong.

use std::sync::Arc;

use http::Response;
use http::StatusCode;

use crate::advise::Resource;
use crate::classify::RequestClass;
use crate::forward::AnswerBody;
use crate::forward::UpstreamError;
use crate::gateway::Gateway;
use crate::gateway::Shared;
use crate::gateway::held::Held;
use crate::gateway::pupil::Pupil;
use crate::learn;
use crate::learn::Reading;
use crate::learn::Subject;
use crate::policy::Policy;
use crate::policy::endpoint::Endpoint;
use crate::policy::endpoint::Method;
use crate::policy::rate::Mode;
use crate::sid::ServiceKey;
use crate::store::Receipt;

/// One request on its way to the upstream, and what its answer may teach.
pub(super) struct Lessons<'g> {
    gateway: &'g Gateway,
    policy: &'g Arc<Policy>,
    /// As it was classified.
    asked: RequestClass,
    /// The same, by what was known already.
    class: RequestClass,
    subject: Subject,
    /// Its room in a pool. Dropped without an answer, it makes the service uncertain.
    hold: Option<Held>,
}

/// Whether it is the word of a gateway or load balancer before the upstream, which does not know
/// what became of the request.
const fn is_from_between(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
}

impl<'g> Lessons<'g> {
    /// Of a request that was `asked` in one way and is known to be of `class`.
    pub(super) const fn new(
        gateway: &'g Gateway,
        policy: &'g Arc<Policy>,
        (asked, class): (RequestClass, RequestClass),
        subject: Subject,
        hold: Option<Held>,
    ) -> Self {
        Self { gateway, policy, asked, class, subject, hold }
    }

    /// From now on the upstream may act.
    pub(super) fn sent(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.sent();
        }
    }

    /// The upstream has answered, or failed. The reading of the answer's body, where that tells
    /// something; and what other replicas are to hear before the client.
    pub(super) fn end(
        self,
        answer: &Result<Response<AnswerBody>, UpstreamError>,
    ) -> (Option<Reading>, Option<Receipt>) {
        match answer {
            Ok(answer) => self.answered(answer),
            Err(error) => (None, self.failed(error)),
        }
    }

    /// There is no answer. Where there was no connection either, the upstream has done nothing.
    fn failed(self, error: &UpstreamError) -> Option<Receipt> {
        match error {
            UpstreamError::Connect(_) | UpstreamError::ConnectTimeout(_) => {
                self.hold?.refused()
            }
            UpstreamError::ResponseTimeout(_)
            | UpstreamError::Broken(_)
            | UpstreamError::Unframed(_)
            | UpstreamError::UnexpectedUpgrade => {
                self.forget_unfollowed();
                self.hold?.unknown()
            }
        }
    }

    fn answered(mut self, answer: &Response<AnswerBody>) -> (Option<Reading>, Option<Receipt>) {
        let status = answer.status();
        if !status.is_success() {
            return (None, self.refused(status));
        }
        let told = self.hold.as_mut().and_then(Held::accepted);
        self.forget_unfollowed();
        self.learn_from_head();
        (self.reading(answer), told)
    }

    fn reading(self, answer: &Response<AnswerBody>) -> Option<Reading> {
        if !self.is_body_of_interest() {
            return None;
        }
        let shared = Arc::clone(&self.gateway.shared);
        let readings = Arc::clone(&shared.readings);
        let pupil = Pupil {
            shared,
            observer: self.gateway.observer.clone(),
            policy: Arc::clone(self.policy),
            asked: self.asked,
            class: self.class,
            subject: self.subject,
            hold: self.hold,
        };
        match learn::is_readable(answer.headers()) {
            Ok(()) => Some(Reading::begin(&readings, |body| pupil.hear(body))),
            Err(why) => {
                pupil.hear(Err(why));
                None
            }
        }
    }

    fn refused(self, status: StatusCode) -> Option<Receipt> {
        let Shared { admission, clock, .. } = &*self.gateway.shared;
        let told = match (self.hold, self.subject.service) {
            // Somebody between had no answer either: as if there were none.
            (Some(hold), _) if is_from_between(status) => hold.unknown(),
            (Some(hold), Some(service)) if status.is_server_error() => {
                let told = hold.refused();
                // It may have failed when it had done its part.
                self.gateway.shared.numbers_stale(service);
                told
            }
            (Some(hold), _) => hold.refused(),
            (None, _) => None,
        };
        if let (StatusCode::NOT_FOUND, Some(ServiceKey::Named(name))) =
            (status, self.asked.service)
        {
            admission.forget_name(name, self.asked.credential, clock.now());
        }
        told
    }

    /// With `mode: off` numbers come and go unseen: what was known of them would be wrong by the
    /// time that the mode is another. A request that the upstream refuses changes nothing.
    fn forget_unfollowed(&self) {
        if let Some(service) = self.subject.service
            && self.subject.changes_a_pool()
            && !self.is_pooled()
        {
            self.gateway.shared.numbers_gone(service);
        }
    }

    /// What is gone is said by the status alone.
    fn learn_from_head(&mut self) {
        let shared = &*self.gateway.shared;
        let Shared { admission, seats, .. } = shared;
        let Subject { endpoint, service, session, participant, number } = self.subject;
        let Some(service) = service else { return };
        let of_service = |sid| Resource { service, sid };
        match (endpoint, session, participant, number) {
            (Endpoint::DeleteService, ..) => {
                admission.forget_service(service);
                shared.numbers_gone(service);
                seats.service_gone(service);
            }
            (Endpoint::DeleteSession, Some(session), ..) => {
                seats.session_ended(of_service(session));
            }
            (Endpoint::DeleteParticipant, Some(session), Some(participant), _) => {
                seats.participant_gone(of_service(session), participant);
            }
            (Endpoint::DeletePhoneNumber | Endpoint::DeleteShortCode, .., Some(number)) => {
                let hold = self.hold.take();
                // What the store knows by the head, it was told then.
                drop(hold.and_then(|hold| hold.granted(Some(number), None)));
                seats.number_gone(of_service(number));
            }
            _ => {}
        }
    }

    /// Whether the body tells anything that is not known, or may change.
    fn is_body_of_interest(&self) -> bool {
        use Endpoint as E;
        let operation = self.subject.endpoint.operation();
        if operation.is_none_or(|operation| operation.method == Method::Delete) {
            return false;
        }
        if self.class.account.sid().is_none() {
            return true;
        }
        let Shared { admission, seats, .. } = &*self.gateway.shared;
        let limits = &self.policy.limits;
        let is_advised = limits.participants_per_number.is_some();
        match self.subject.endpoint {
            E::ListService | E::CreateService | E::UpdateService => true,
            E::FetchService => match self.asked.service {
                Some(ServiceKey::Sid(service)) => !admission.knows_name_of(service),
                Some(ServiceKey::Named(_)) | None => true,
            },
            E::ListPhoneNumber
            | E::CreatePhoneNumber
            | E::FetchPhoneNumber
            | E::UpdatePhoneNumber
            | E::ListShortCode
            | E::CreateShortCode
            | E::FetchShortCode
            | E::UpdateShortCode => is_advised || self.is_pooled(),
            E::ListParticipant | E::CreateParticipant | E::FetchParticipant => is_advised,
            E::ListSession => is_advised && seats.participants() > 0,
            E::FetchSession | E::UpdateSession => {
                let session = self.subject.service.zip(self.subject.session);
                let tracks = |(service, sid)| seats.tracks(Resource { service, sid });
                is_advised && session.map_or(seats.participants() > 0, tracks)
            }
            E::CreateSession
            | E::ListInteraction
            | E::FetchInteraction
            | E::ListMessageInteraction
            | E::CreateMessageInteraction
            | E::FetchMessageInteraction
            | E::DeleteService
            | E::DeletePhoneNumber
            | E::DeleteShortCode
            | E::DeleteSession
            | E::DeleteParticipant
            | E::DeleteInteraction
            | E::Unmatched => false,
        }
    }

    fn is_pooled(&self) -> bool {
        self.subject.service.is_some_and(|service| {
            let rule = self.gateway.shared.pool_rule(self.policy, &self.class, service);
            rule.mode != Mode::Off
        })
    }
}
