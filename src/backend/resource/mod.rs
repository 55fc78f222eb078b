//! How is it written? The JSON of each resource, key by key as the API writes it.

mod json;

use crate::backend::country;
use crate::backend::numbering;
use crate::backend::state::number::Number;
use crate::backend::state::service::Service;
use crate::backend::state::session::Interaction;
use crate::backend::state::session::Participant;
use crate::backend::state::session::Session;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::sid::TEXT_LENGTH;
use json::Capabilities;
use json::InteractionJson;
use json::NumberJson;
use json::ParticipantJson;
use json::ParticipantLinks;
use json::ServiceJson;
use json::ServiceLinks;
use json::SessionJson;
use json::SessionLinks;

type Written = serde_json::Result<()>;

/// A SID as text.
fn sid_text(sid: Sid) -> String {
    identifier(sid.kind().prefix(), sid.bytes())
}

/// Two letters and 32 hexadecimal digits. Half of an answer is such, so this is written out
/// for speed.
pub(crate) fn identifier(prefix: &str, bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().map_or('0', char::from);
    let mut text = String::with_capacity(TEXT_LENGTH);
    text.push_str(prefix);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Where an account's resources are.
pub(crate) struct AccountPlace {
    account: String,
    /// The address of the list of services.
    pub(crate) services: String,
}

impl AccountPlace {
    /// `base` is the scheme and host of every address.
    pub(crate) fn new(base: &str, account: Sid) -> Self {
        Self { account: sid_text(account), services: [base, "/v1/Services"].concat() }
    }

    /// Where a service of it is.
    pub(crate) fn service(&self, sid: Sid) -> ServicePlace<'_> {
        let service = sid_text(sid);
        let url = [&self.services, "/", &service].concat();
        ServicePlace { account: &self.account, service, url }
    }

    pub(crate) fn write_service(&self, service: &Service, out: &mut Vec<u8>) -> Written {
        let place = self.service(service.sid);
        let settings = &service.settings;
        let json = ServiceJson {
            sid: &place.service,
            account_sid: &self.account,
            chat_instance_sid: settings.chat_instance_sid.as_deref(),
            unique_name: &settings.unique_name,
            default_ttl: settings.default_ttl,
            callback_url: settings.callback_url.as_deref(),
            geo_match_level: settings.geo_match.word(),
            number_selection_behavior: settings.selection.word(),
            intercept_callback_url: settings.intercept_callback_url.as_deref(),
            out_of_session_callback_url: settings.out_of_session_callback_url.as_deref(),
            date_created: service.created,
            date_updated: service.updated,
            url: &place.url,
            links: ServiceLinks {
                sessions: place.list("Sessions"),
                phone_numbers: place.list("PhoneNumbers"),
            },
        };
        serde_json::to_writer(out, &json)
    }
}

/// Where a service's resources are.
pub(crate) struct ServicePlace<'a> {
    account: &'a str,
    service: String,
    url: String,
}

impl ServicePlace<'_> {
    /// The address of one of its lists.
    pub(crate) fn list(&self, name: &str) -> String {
        [&self.url, "/", name].concat()
    }

    /// Where a session of it is.
    pub(crate) fn session(&self, sid: Sid) -> SessionPlace<'_> {
        let session = sid_text(sid);
        let url = [&self.url, "/Sessions/", &session].concat();
        SessionPlace { account: self.account, service: &self.service, session, url }
    }

    pub(crate) fn write_number(&self, number: &Number, out: &mut Vec<u8>) -> Written {
        let sid = sid_text(number.sid);
        let short = number.sid.kind() == SidKind::ShortCode;
        let list = if short { "ShortCodes" } else { "PhoneNumbers" };
        let json = NumberJson {
            account_sid: self.account,
            service_sid: &self.service,
            phone_number: (!short).then_some(&number.text),
            friendly_name: (!short).then(|| numbering::friendly(&number.text)),
            short_code: short.then_some(&number.text),
            iso_country: country::country(&number.text),
            capabilities: Capabilities { fax: false, mms: true, sms: true, voice: !short },
            is_reserved: number.reserved,
            in_use: (!short).then_some(number.in_use),
            date_created: number.created,
            date_updated: number.updated,
            url: [&self.url, "/", list, "/", &sid].concat(),
            sid: &sid,
        };
        serde_json::to_writer(out, &json)
    }

    pub(crate) fn write_session(&self, session: &Session, out: &mut Vec<u8>) -> Written {
        let place = self.session(session.sid);
        let json = SessionJson {
            sid: &place.session,
            service_sid: &self.service,
            account_sid: self.account,
            status: session.status.word(),
            unique_name: session.unique_name.as_deref(),
            date_started: session.started,
            date_ended: session.ended,
            date_last_interaction: session.last_interaction,
            date_expiry: session.date_expiry,
            ttl: session.ttl,
            mode: session.mode.word(),
            closed_reason: session.closed_reason,
            date_created: session.created,
            date_updated: session.updated,
            url: &place.url,
            links: SessionLinks {
                interactions: place.list("Interactions"),
                participants: place.list("Participants"),
            },
        };
        serde_json::to_writer(out, &json)
    }
}

/// Where a session's resources are.
pub(crate) struct SessionPlace<'a> {
    account: &'a str,
    service: &'a str,
    session: String,
    url: String,
}

impl SessionPlace<'_> {
    /// The address of one of its lists.
    pub(crate) fn list(&self, name: &str) -> String {
        [&self.url, "/", name].concat()
    }

    /// The address of the messages sent to one of its participants.
    pub(crate) fn messages(&self, participant: Sid) -> String {
        [&self.url, "/Participants/", &sid_text(participant), "/MessageInteractions"].concat()
    }

    pub(crate) fn write_participant(
        &self,
        participant: &Participant,
        out: &mut Vec<u8>,
    ) -> Written {
        let sid = sid_text(participant.sid);
        let json = ParticipantJson {
            session_sid: &self.session,
            service_sid: self.service,
            account_sid: self.account,
            identifier: &participant.identifier,
            proxy_identifier: &participant.proxy_text,
            proxy_identifier_sid: sid_text(participant.proxy),
            friendly_name: participant.friendly_name.as_deref(),
            date_deleted: participant.deleted,
            date_created: participant.created,
            date_updated: participant.updated,
            url: [&self.url, "/Participants/", &sid].concat(),
            links: ParticipantLinks { message_interactions: self.messages(participant.sid) },
            sid: &sid,
        };
        serde_json::to_writer(out, &json)
    }

    pub(crate) fn write_interaction(
        &self,
        interaction: &Interaction,
        out: &mut Vec<u8>,
    ) -> Written {
        let list = self.list("Interactions");
        serde_json::to_writer(out, &self.interaction(interaction, &list, None))
    }

    pub(crate) fn write_message(
        &self,
        interaction: &Interaction,
        out: &mut Vec<u8>,
    ) -> Written {
        let list = self.messages(interaction.participant);
        let participant = sid_text(interaction.participant);
        serde_json::to_writer(out, &self.interaction(interaction, &list, Some(participant)))
    }

    fn interaction<'a>(
        &'a self,
        interaction: &'a Interaction,
        list: &str,
        participant_sid: Option<String>,
    ) -> InteractionJson<'a> {
        let sid = sid_text(interaction.sid);
        InteractionJson {
            session_sid: &self.session,
            service_sid: self.service,
            account_sid: self.account,
            r#type: "message",
            data: &interaction.data,
            participant_sid,
            inbound_participant_sid: None,
            inbound_resource_sid: None,
            inbound_resource_status: None,
            inbound_resource_type: None,
            inbound_resource_url: None,
            outbound_participant_sid: sid_text(interaction.participant),
            outbound_resource_sid: &interaction.resource,
            outbound_resource_status: "sent",
            outbound_resource_type: "Message",
            outbound_resource_url: None,
            date_created: interaction.created,
            date_updated: interaction.created,
            url: [list, "/", &sid].concat(),
            sid,
        }
    }
}
