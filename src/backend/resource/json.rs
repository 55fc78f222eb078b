//! Which keys does a resource have? The shapes, in the API's order of keys.

use serde::Serialize;

use crate::backend::moment::Moment;

#[derive(Serialize)]
pub(super) struct ServiceJson<'a> {
    pub(super) sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) chat_instance_sid: Option<&'a str>,
    pub(super) unique_name: &'a str,
    pub(super) default_ttl: u32,
    pub(super) callback_url: Option<&'a str>,
    pub(super) geo_match_level: &'static str,
    pub(super) number_selection_behavior: &'static str,
    pub(super) intercept_callback_url: Option<&'a str>,
    pub(super) out_of_session_callback_url: Option<&'a str>,
    pub(super) date_created: Moment,
    pub(super) date_updated: Moment,
    pub(super) url: &'a str,
    pub(super) links: ServiceLinks,
}

#[derive(Serialize)]
pub(super) struct ServiceLinks {
    pub(super) sessions: String,
    pub(super) phone_numbers: String,
}

/// A phone number or a short code; each leaves out what only the other has.
#[derive(Serialize)]
pub(super) struct NumberJson<'a> {
    pub(super) sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) service_sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) friendly_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) short_code: Option<&'a String>,
    pub(super) iso_country: &'static str,
    pub(super) capabilities: Capabilities,
    pub(super) is_reserved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_use: Option<u32>,
    pub(super) date_created: Moment,
    pub(super) date_updated: Moment,
    pub(super) url: String,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the API's own four")]
pub(super) struct Capabilities {
    pub(super) fax: bool,
    pub(super) mms: bool,
    pub(super) sms: bool,
    pub(super) voice: bool,
}

#[derive(Serialize)]
pub(super) struct SessionJson<'a> {
    pub(super) sid: &'a str,
    pub(super) service_sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) status: &'static str,
    pub(super) unique_name: Option<&'a str>,
    pub(super) date_started: Option<Moment>,
    pub(super) date_ended: Option<Moment>,
    pub(super) date_last_interaction: Option<Moment>,
    pub(super) date_expiry: Option<Moment>,
    pub(super) ttl: u32,
    pub(super) mode: &'static str,
    pub(super) closed_reason: &'static str,
    pub(super) date_created: Moment,
    pub(super) date_updated: Moment,
    pub(super) url: &'a str,
    pub(super) links: SessionLinks,
}

#[derive(Serialize)]
pub(super) struct SessionLinks {
    pub(super) interactions: String,
    pub(super) participants: String,
}

#[derive(Serialize)]
pub(super) struct ParticipantJson<'a> {
    pub(super) sid: &'a str,
    pub(super) session_sid: &'a str,
    pub(super) service_sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) identifier: &'a str,
    pub(super) proxy_identifier: &'a str,
    pub(super) proxy_identifier_sid: String,
    pub(super) friendly_name: Option<&'a str>,
    pub(super) date_deleted: Option<Moment>,
    pub(super) date_created: Moment,
    pub(super) date_updated: Moment,
    pub(super) url: String,
    pub(super) links: ParticipantLinks,
}

#[derive(Serialize)]
pub(super) struct ParticipantLinks {
    pub(super) message_interactions: String,
}

/// An interaction; a message interaction names its participant as well.
#[derive(Serialize)]
pub(super) struct InteractionJson<'a> {
    pub(super) sid: String,
    pub(super) session_sid: &'a str,
    pub(super) service_sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) r#type: &'static str,
    pub(super) data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) participant_sid: Option<String>,
    pub(super) inbound_participant_sid: Option<&'static str>,
    pub(super) inbound_resource_sid: Option<&'static str>,
    pub(super) inbound_resource_status: Option<&'static str>,
    pub(super) inbound_resource_type: Option<&'static str>,
    pub(super) inbound_resource_url: Option<&'static str>,
    pub(super) outbound_participant_sid: String,
    pub(super) outbound_resource_sid: &'a str,
    pub(super) outbound_resource_status: &'static str,
    pub(super) outbound_resource_type: &'static str,
    pub(super) outbound_resource_url: Option<&'static str>,
    pub(super) date_created: Moment,
    pub(super) date_updated: Moment,
    pub(super) url: String,
}
