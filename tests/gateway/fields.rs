//! Every row of the field table from both sides, on every operation that carries the field.

use crate::support::Gateway;
use crate::support::Request;
use crate::support::Upstream;
use crate::support::service_path;

const SESSION: &str = "/Sessions/KC0000000000000000000000000000000c";

/// Operation, field and the most characters that it may have.
fn lengths() -> Vec<(String, &'static str, usize)> {
    let mut rows = Vec::new();
    for path in ["/v1/Services".to_owned(), service_path("")] {
        rows.push((path.clone(), "UniqueName", 191));
        rows.push((path.clone(), "CallbackUrl", 4000));
        rows.push((path.clone(), "InterceptCallbackUrl", 4000));
        rows.push((path, "OutOfSessionCallbackUrl", 4000));
    }
    rows.push((service_path("/Sessions"), "UniqueName", 191));
    let participants = service_path(&format!("{SESSION}/Participants"));
    rows.push((participants.clone(), "FriendlyName", 255));
    rows.push((participants.clone(), "Identifier", 191));
    rows.push((participants, "ProxyIdentifier", 255));
    rows
}

#[tokio::test]
async fn each_length_passes_at_its_limit_and_is_refused_one_above() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for (path, field, max) in lengths() {
        for character in ["x", "%C3%A9", "%E2%82%AC", "%F0%9F%9A%95", "é", "🚕"] {
            let form = |count: usize| format!("A=1&{field}={}&B=2", character.repeat(count));
            let good = form(max);
            let reply = gateway.send(&Request::post(path.clone(), good.clone())).await;
            assert_eq!(reply.status, 200, "{path} {field} {character}");
            assert_eq!(upstream.last().body, good, "byte for byte");

            let reply = gateway.send(&Request::post(path.clone(), form(max + 1))).await;
            assert_eq!(
                (reply.status, reply.code()),
                (400, 80701),
                "{path} {field} {character}"
            );
            let message = reply.message();
            let (allowed, found) = (max.to_string(), (max + 1).to_string());
            for part in [&format!("'{field}'"), &allowed, &found] {
                assert!(message.contains(part), "{message:?} says {part:?}");
            }
            assert_eq!(reply.header("x-maskgate-decision"), Some("invalid"));
        }
    }
}

#[tokio::test]
async fn a_participant_inside_a_sessions_creation_keeps_to_the_same_lengths() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for (field, max) in [("FriendlyName", 255), ("Identifier", 191), ("ProxyIdentifier", 255)] {
        for character in ["x", "🚕"] {
            let form = |count: usize| {
                let nested = format!("{{\"{field}\": \"{}\"}}", character.repeat(count));
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("Participants", "{\"Identifier\": \"+15550001\"}");
                form.append_pair("Participants", &nested).finish()
            };
            let create = |form| Request::post(service_path("/Sessions"), form);
            let good: String = form(max);
            assert_eq!(gateway.send(&create(good.clone())).await.status, 200, "{field}");
            assert_eq!(upstream.last().body, good);
            let reply = gateway.send(&create(form(max + 1))).await;
            assert_eq!((reply.status, reply.code()), (400, 80701), "{field}");
            assert!(reply.message().contains(&format!("Participants[1].{field}")));
        }
    }
}

#[tokio::test]
async fn a_ttl_is_strictly_between_0_and_2147483647_on_create_and_update() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    for path in [service_path("/Sessions"), service_path(SESSION)] {
        let send = |ttl: &str| Request::post(path.clone(), format!("Ttl={ttl}"));
        for good in ["1", "3600", "2147483646"] {
            assert_eq!(gateway.send(&send(good)).await.status, 200, "{good}");
        }
        for bad in
            ["0", "-1", "2147483647", "4294967297", "abc", "1.5", "1e3", "", "%2B5", "+5"]
        {
            let reply = gateway.send(&send(bad)).await;
            assert_eq!((reply.status, reply.code()), (400, 80701), "{bad:?}");
            assert!(reply.message().contains("less than 2147483647"), "{}", reply.message());
        }
    }
}

#[tokio::test]
async fn a_limit_belongs_to_its_resource_and_field() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let long = "x".repeat(300);
    for (path, form) in [
        ("/v1/Services".to_owned(), "UniqueName=a&DefaultTtl=0".to_owned()),
        (service_path(""), format!("Identifier={long}&FriendlyName={long}&Ttl=0")),
        (service_path(SESSION), format!("UniqueName={long}")),
        (service_path("/Sessions"), format!("uniquename={long}&UniqueName[]={long}")),
    ] {
        assert_eq!(
            gateway.send(&Request::post(path.clone(), form)).await.status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_occurrence_counts_in_the_query_as_in_the_body() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let long = "x".repeat(192);
    for (query, form) in [
        (String::new(), format!("UniqueName=a&UniqueName={long}")),
        (String::new(), format!("UniqueName={long}&UniqueName=a")),
        (String::new(), format!("%55niqueName={long}")),
        (format!("?UniqueName={long}"), "UniqueName=a".to_owned()),
    ] {
        let path = service_path(&format!("/Sessions{query}"));
        let reply = gateway.send(&Request::post(path, form)).await;
        assert_eq!((reply.status, reply.code()), (400, 80701));
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn the_largest_legal_form_passes_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&upstream).await;
    let url = "%F0%9F%9A%95".repeat(4000);
    let form = format!(
        "UniqueName=a&CallbackUrl={url}&InterceptCallbackUrl={url}&OutOfSessionCallbackUrl={url}"
    );
    assert!(form.len() > 144_000);
    let reply = gateway.send(&Request::post("/v1/Services", form.clone())).await;
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.last().body, form);
}

#[tokio::test]
async fn a_field_of_the_configuration_is_checked_like_the_built_in_ones() {
    let upstream = Upstream::start();
    let yaml =
        "limits: { payload: { fields: { CreateMessageInteraction.Body: { max_chars: 3 } } } }";
    let gateway = Gateway::with(yaml, &upstream).await;
    let path = service_path(&format!(
        "{SESSION}/Participants/KP0000000000000000000000000000000d/MessageInteractions"
    ));
    let send = |form: &'static str| Request::post(path.clone(), form);
    assert_eq!(gateway.send(&send("Body=abc")).await.status, 200);
    let reply = gateway.send(&send("Body=abcd")).await;
    assert_eq!((reply.status, reply.code()), (400, 80701));
    assert!(!reply.message().contains("abcd"), "a message's text is in no error");
}
