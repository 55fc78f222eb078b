//! Each row of the built-in table at its bound, and what a client could try to get past it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::FORM;
use super::Untouched;
use super::at_once;
use super::class;
use super::head;
use super::judge;
use super::memory;
use super::message;
use super::policy;
use super::post;
use super::post_form;
use crate::inspect::inspect;
use crate::inspect::violation::ViolationKind;
use crate::policy::endpoint::Endpoint;
use crate::policy::field::Check;
use crate::policy::field::FieldRule;
use crate::policy::field::FieldTable;

/// One character as it stands in a form: one to four bytes of UTF-8, marks that combine or
/// join, a control byte; raw and escaped.
const CHARACTERS: [&str; 12] = [
    "x",
    "é",
    "€",
    "🚕",
    "\u{301}",
    "\u{200d}",
    "+",
    "%C3%A9",
    "%e2%82%AC",
    "%F0%9F%9A%95",
    "%00",
    ";",
];

#[test]
fn every_length_of_the_table_is_allowed_and_one_more_is_refused() {
    let mut rows = 0;
    for rule in FieldTable::builtin().iter() {
        let Check::MaxChars(max) = rule.check else { continue };
        rows += 1;
        for character in CHARACTERS {
            let of = |count| format!("{}={}", rule.name, character.repeat(count));
            post(rule.endpoint, of(max)).unwrap();
            assert_eq!(
                message(post(rule.endpoint, of(max + 1))),
                format!(
                    "'{}' is invalid. It has {} characters; at most {max} are allowed.",
                    rule.name,
                    max + 1
                ),
                "{} {character}",
                rule.endpoint
            );
        }
    }
    assert_eq!(rows, 12);
}

#[test]
fn glyphs_of_several_characters_count_as_those() {
    // A family is 7 characters, 11 UTF-16 units and 25 bytes; 191 = 27 × 7 + 2.
    let families = "👨‍👩‍👧‍👦".repeat(27);
    post(Endpoint::CreateSession, format!("UniqueName={families}ab")).unwrap();
    post(Endpoint::CreateSession, format!("UniqueName={families}abc")).unwrap_err();
    // 96 letters with a combining mark are 192 characters.
    post(Endpoint::CreateSession, format!("UniqueName={}", "e%CC%81".repeat(95))).unwrap();
    post(Endpoint::CreateSession, format!("UniqueName={}", "e%CC%81".repeat(96))).unwrap_err();
}

#[test]
fn a_ttl_is_a_whole_number_between_its_bounds_on_create_and_on_update() {
    for endpoint in [Endpoint::CreateSession, Endpoint::UpdateSession] {
        for ttl in ["1", "3600", "2147483646", "007", "%31", "0000000001"] {
            post(endpoint, format!("Ttl={ttl}")).unwrap();
        }
        for ttl in [
            "",
            "0",
            "-1",
            "%2D1",
            "+1",
            "1+",
            "%201",
            "1e3",
            "5.0",
            "0x10",
            "%D9%A3",
            "٣",
            "abc",
            "2147483647",
            "4294967297",
            "18446744073709551617",
            "00000000001",
            "1%00",
        ] {
            assert_eq!(
                message(post(endpoint, format!("Ttl={ttl}"))),
                "'Ttl' is invalid. It must be a whole number greater than 0 and less than \
                 2147483647.",
                "{ttl}"
            );
        }
        post(endpoint, "Ttl").unwrap_err();
        post(endpoint, format!("Ttl={}", "1".repeat(400))).unwrap_err();
    }
}

#[test]
fn a_limit_belongs_to_a_field_of_an_operation_and_to_no_other() {
    let long = "x".repeat(5000);
    for (endpoint, form) in [
        (Endpoint::CreateService, "DefaultTtl=0".to_owned()),
        (Endpoint::CreateService, format!("Identifier={long}&Ttl=0&FriendlyName={long}")),
        (Endpoint::UpdateSession, format!("UniqueName={long}&Participants={long}")),
        (Endpoint::CreateSession, format!("Identifier={long}&CallbackUrl={long}")),
        (Endpoint::CreateParticipant, format!("Ttl=0&UniqueName={long}")),
        (Endpoint::CreatePhoneNumber, format!("PhoneNumber={long}")),
        (Endpoint::CreateMessageInteraction, format!("Body={long}&MediaUrl=a&MediaUrl=b")),
    ] {
        post(endpoint, form).unwrap();
    }
}

#[test]
fn the_largest_legal_service_passes() {
    let url = "%F0%9F%9A%95".repeat(4000);
    let form =
        format!("CallbackUrl={url}&InterceptCallbackUrl={url}&OutOfSessionCallbackUrl={url}");
    assert!(form.len() > 144_000);
    post(Endpoint::CreateService, form.clone()).unwrap();
    post(Endpoint::UpdateService, format!("{form}%41")).unwrap_err();
}

#[test]
fn every_occurrence_of_a_repeated_field_is_judged() {
    let long = "x".repeat(192);
    for form in [
        format!("UniqueName=a&UniqueName={long}"),
        format!("UniqueName={long}&UniqueName=a"),
        format!("UniqueName=a&Ttl=5&UniqueName=b&UniqueName={long}"),
    ] {
        post(Endpoint::CreateSession, form).unwrap_err();
    }
    post(Endpoint::CreateSession, "UniqueName=a&UniqueName=b").unwrap();
}

#[test]
fn a_field_name_is_decoded_before_it_is_compared_and_other_spellings_are_other_fields() {
    let long = "x".repeat(192);
    for name in ["%55niqueName", "Unique%4Eame", "Unique%4eam%65"] {
        post(Endpoint::CreateSession, format!("{name}={long}")).unwrap_err();
    }
    for name in ["uniquename", "+UniqueName", "UniqueName[]", "UniqueName%00", "unique_name"] {
        post(Endpoint::CreateSession, format!("{name}={long}")).unwrap();
    }
    // A semicolon separates nothing: this is one field, named `a;UniqueName`.
    post(Endpoint::CreateSession, format!("a;UniqueName={long}")).unwrap();
    post(Endpoint::CreateSession, format!("UniqueName={};Ttl=0", "x".repeat(185))).unwrap();
}

#[test]
fn the_query_of_a_post_is_judged_like_its_body_and_before_it() {
    let long = "x".repeat(192);
    let uri = |query: &str| {
        head(
            Request::post(format!("/v1/Services?{query}"))
                .header("content-type", FORM)
                .header("content-length", 5),
        )
    };
    for query in [
        format!("UniqueName={long}"),
        format!("a=b&%55niqueName={long}"),
        "Ttl=0".to_owned(),
        "a=%zz".to_owned(),
        "a=%FF".to_owned(),
        "Participants=x".to_owned(),
        format!("Participants=%7B%22Identifier%22:%22{long}%22%7D"),
    ] {
        judge(Endpoint::CreateSession, &uri(&query), Untouched).unwrap_err();
    }
    judge(Endpoint::CreateSession, &uri("Ttl=5&a=b"), Full::from("Ttl=6")).unwrap();
    let list = head(Request::get("/v1/Services?Ttl=0&PageToken=%zz"));
    judge(Endpoint::ListService, &list, Full::default()).unwrap();
}

#[test]
fn the_first_violation_of_a_form_is_the_one_that_is_told() {
    let long = "x".repeat(192);
    let told = |form: String| message(post(Endpoint::CreateSession, form));
    assert!(told(format!("Ttl=0&UniqueName={long}&a=%zz")).starts_with("'Ttl'"));
    assert!(told(format!("UniqueName={long}&Ttl=0")).starts_with("'UniqueName'"));
    assert_eq!(
        told(format!("a=1&&b=%4&UniqueName={long}")),
        "Field number 2 of the body is not a valid form field: a '%' is not followed by two \
         hexadecimal digits."
    );
}

#[test]
fn a_form_with_two_readings_is_refused_wherever_the_fault_is() {
    for form in ["a=%FF", "%FF=a", "UniqueName=%FF", "UniqueName=%", "a=1&b%4", "%C3=%A9"] {
        let refused = post(Endpoint::CreateSession, form).unwrap_err();
        assert_eq!(refused.kind(), ViolationKind::Form, "{form}");
        post(Endpoint::CreateMessageInteraction, form).unwrap_err();
    }
    for bytes in [b"a=\xff".as_slice(), b"UniqueName=\xc0\x80", b"a=\xed\xa0\x80&b=c"] {
        post(Endpoint::CreateSession, bytes).unwrap_err();
    }
    post(Endpoint::CreateSession, "a=%EF%BB%BF%00&b=100%25").unwrap();
}

fn encode(json: &str) -> String {
    form_urlencoded::byte_serialize(json.as_bytes()).collect()
}

#[test]
fn participants_of_a_new_session_are_held_to_the_rules_of_participants() {
    let short = encode(r#"{"Identifier": "+15550100", "FriendlyName": "A"}"#);
    let long = encode(&format!(r#"{{"Identifier": "{}"}}"#, "é".repeat(192)));
    let told = |form: String| message(post(Endpoint::CreateSession, form));
    post(Endpoint::CreateSession, format!("Participants={short}&Participants={short}"))
        .unwrap();
    assert_eq!(
        told(format!("Participants={short}&Participants=&UniqueName=a&Participants={long}")),
        "'Participants[2].Identifier' is invalid. \
         It has 192 characters; at most 191 are allowed."
    );
    for value in ["Identifier", "[]", "%5B%7B%7D%5D", "null", "%7B", "+"] {
        assert_eq!(
            told(format!("Participants={value}")),
            "'Participants[0]' is invalid. It must be a JSON object."
        );
    }
    assert_eq!(
        told(format!("Participants={}", encode(r#"{"a":{"b":{"c":{"d":{}}}}}"#))),
        "'Participants[0]' is invalid. Its JSON may be nested at most 4 levels deep."
    );
    assert!(told(format!("%50articipants={long}")).contains("Participants[0].Identifier"));
    assert!(told("Participants=%7B%FF%7D".to_owned()).contains("UTF-8"));
}

#[test]
fn a_value_never_shows_in_a_message_or_in_debug_output() {
    let secret = "s3cret".repeat(40);
    let json = encode(&format!(r#"{{"Identifier": "{secret}", "{secret}": 1}}"#));
    for form in [
        format!("UniqueName={secret}"),
        format!("Ttl={secret}"),
        format!("{secret}={secret}%"),
        format!("Participants={secret}"),
        format!("Participants={json}"),
    ] {
        let violation = post(Endpoint::CreateSession, form).unwrap_err();
        assert!(!format!("{violation} {violation:?}").contains("s3cret"), "{violation:?}");
    }
}

#[test]
fn an_added_rule_counts_bytes_where_it_says_bytes() {
    let mut policy = policy();
    policy.limits.fields.set(FieldRule {
        endpoint: Endpoint::CreateMessageInteraction,
        name: "Body".into(),
        check: Check::MaxBytes(1600),
    });
    let class = class(Endpoint::CreateMessageInteraction);
    let send = |form: String| {
        at_once(inspect(
            &policy,
            &memory(),
            &class,
            &post_form(form.len()),
            Full::<Bytes>::from(form),
        ))
    };
    send(format!("Body={}", "🚕".repeat(400))).unwrap();
    assert_eq!(
        message(send(format!("Body={}a", "%F0%9F%9A%95".repeat(400)))),
        "'Body' is invalid. It has 1601 bytes; at most 1600 are allowed."
    );
}
