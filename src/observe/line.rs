//! What stands in a request's line of the log?

use std::time::Duration;

use super::Record;
use super::outcome::Found;
use super::request_log::Field;

impl Record {
    /// Writes the line of a request that took so long.
    pub(super) fn write_line(&self, whole: Duration) {
        let class = self.class.as_ref();
        let service = class.and_then(|class| class.service?.sid());
        let account = class.and_then(|class| class.account.sid());
        let set_by = self.outcome.limit.as_ref().and_then(|limit| limit.set_by.as_ref());
        let mut fields = Vec::with_capacity(16);
        fields.push(("decision", Field::Word(self.outcome.decision.label())));
        let status = self.outcome.status.map(|status| u64::from(status.as_u16()));
        push(&mut fields, "status", status.map(Field::Number));
        push(&mut fields, "endpoint", class.map(|class| Field::Word(class.endpoint.name())));
        push(&mut fields, "service", service.map(Field::Sid));
        push(&mut fields, "account", account.map(Field::Sid));
        let refusal = self.outcome.refusal.or(self.outcome.on_trial);
        push(&mut fields, "limit", refusal.map(|refusal| Field::Word(refusal.label())));
        push(&mut fields, "mode", self.outcome.on_trial.map(|_| Field::Word("shadow")));
        push(&mut fields, "fault", self.outcome.fault.map(|fault| Field::Word(fault.label())));
        if let Some(limit) = &self.outcome.limit {
            fields.push(("allowed", Field::Number(limit.allowed.into())));
            match limit.found {
                Found::Rate(retry_after) => {
                    fields.push(("retry_after_ms", Field::Number(millis(retry_after))));
                }
                Found::Pool(kind, used) => {
                    fields.push(("pool", Field::Word(kind.label())));
                    fields.push(("used", Field::Number(used.into())));
                }
            }
        }
        push(&mut fields, "set_by", set_by.map(Field::SetBy));
        fields.push(("client", Field::Address(self.client)));
        let request_id = self.request_id.to_str().unwrap_or_default();
        fields.push(("request_id", Field::Word(request_id)));
        push(&mut fields, "traceparent", self.place.map(|place| Field::Trace(place.context)));
        push(
            &mut fields,
            "upstream_us",
            self.upstream.map(|taken| Field::Number(micros(taken))),
        );
        fields.push(("duration_us", Field::Number(micros(whole))));
        self.observer.log.write(self.log.format, &fields);
    }
}

fn push<'a>(
    fields: &mut Vec<(&'static str, Field<'a>)>,
    name: &'static str,
    field: Option<Field<'a>>,
) {
    fields.extend(field.map(|field| (name, field)));
}

fn micros(span: Duration) -> u64 {
    crate::time::micros(span)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
