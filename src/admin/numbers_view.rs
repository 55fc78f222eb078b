//! `/numbers?service=KS…`: how many participants use each number of one service.

use std::num::NonZeroU32;

use serde_json::Value;
use serde_json::json;

use crate::advise::NumberView;
use crate::advise::View;
use crate::sid::Sid;
use crate::state::State;

pub(super) fn render(state: &State, service: Sid) -> String {
    let shared = &state.shared;
    let advise = shared.policy.snapshot().limits.participants_per_number;
    let view = shared.seats.view(service, shared.clock.now());
    let mut text = page(service, advise, &view).to_string();
    text.push('\n');
    text
}

fn page(service: Sid, advise: Option<NonZeroU32>, view: &View) -> Value {
    json!({
        "service": service.to_string(),
        "participants_advised": advise,
        "numbers": view.numbers.iter().map(number).collect::<Vec<_>>(),
        "left_out": view.left_out,
    })
}

fn number(view: &NumberView) -> Value {
    json!({
        "number": view.number.to_string(),
        "participants": view.participants,
        "in_use": view.in_use.map(|in_use| in_use.sessions),
        "in_use_age_seconds": view.in_use.map(|in_use| in_use.age.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::advise::InUse;
    use crate::advise::NumberView;
    use crate::advise::View;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use serde_json::json;
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn both_figures_of_a_number_stand_beside_each_other() {
        let service = Sid::new(SidKind::Service, [1; 16]);
        let said = NumberView {
            number: Sid::new(SidKind::PhoneNumber, [2; 16]),
            participants: 120,
            in_use: Some(InUse { sessions: 60, age: Duration::from_secs(9) }),
        };
        let silent = NumberView {
            number: Sid::new(SidKind::ShortCode, [3; 16]),
            participants: 1,
            in_use: None,
        };
        let view = View { numbers: vec![said, silent], left_out: 7 };
        let expected = json!({
            "service": "KS01010101010101010101010101010101",
            "participants_advised": 100,
            "numbers": [
                {
                    "number": "PN02020202020202020202020202020202",
                    "participants": 120,
                    "in_use": 60,
                    "in_use_age_seconds": 9,
                },
                {
                    "number": "SC03030303030303030303030303030303",
                    "participants": 1,
                    "in_use": null,
                    "in_use_age_seconds": null,
                },
            ],
            "left_out": 7,
        });
        assert_eq!(page(service, NonZeroU32::new(100), &view), expected);
    }
}
