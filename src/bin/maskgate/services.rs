//! Of `maskgate top`: which services ask most and are refused most, and which windows are fullest.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use http::StatusCode;
use serde_json::Value;

use crate::ask;
use crate::status::rounded;

/// The lists, of at most `most` lines each; nothing where the gateway is older than the page.
pub(crate) async fn lately(admin: SocketAddr, most: usize) -> Result<String, String> {
    let page = ask::page(admin, "/top").await?;
    if page.status != StatusCode::OK {
        return Ok(String::new());
    }
    let top = serde_json::from_str(&page.text)
        .map_err(|error| format!("{admin} answers no JSON for /top: {error}"))?;
    Ok(render(&top, most))
}

fn refused_others(top: &Value) -> f64 {
    let refused = top.get("refused");
    refused.and_then(|refused| refused.get("others_have_at_most")).map_or(0.0, number)
}

fn render(top: &Value, most: usize) -> String {
    let refused: BTreeMap<_, _> = services(&top["refused"]).collect();
    // Who is not among those that are shown may have been refused as often as the last of them.
    let unknown = if refused_others(top) > 0.0 { "–" } else { "0" };
    let heading = format!("service, of the last {} s", rounded(number(&top["span_seconds"])));
    let mut text = format!("\n{heading:<38}{:>10}{:>10}\n", "a second", "limited");
    // Writing to a string never fails.
    for (service, rate) in services(&top["offered"]).take(most) {
        let refused = refused.get(service).map_or(unknown.to_owned(), |rate| rounded(*rate));
        let _infallible = writeln!(text, "{service:<38}{:>10}{refused:>10}", rounded(rate));
    }
    let _infallible = writeln!(text, "\n{:<66}{:>12}", "window", "in it");
    for window in list(&top["fullest"]).take(most) {
        let of = ["service", "account"].into_iter().find_map(|name| window[name].as_str());
        let endpoint = window["endpoint"].as_str().unwrap_or_default();
        let (taken, allowed) = (&window["admissions_in_window"], &window["admissions_allowed"]);
        let name = format!("{} {endpoint}", of.unwrap_or("(a name or key not seen before)"));
        let _infallible = writeln!(text, "{name:<66}{:>12}", format!("{taken} of {allowed}"));
    }
    text
}

/// Services and how many requests a second they have.
fn services(of: &Value) -> impl Iterator<Item = (&str, f64)> {
    list(&of["services"]).filter_map(|each| {
        let service = each["service"].as_str()?;
        Some((service, number(&each["per_second"])))
    })
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::render;
    use serde_json::json;

    #[test]
    fn a_service_stands_beside_what_is_refused_to_it() {
        let service = "KS0000000000000000000000000000000f";
        let top = json!({
            "span_seconds": 42.0,
            "offered": { "services": [{ "service": service, "per_second": 31.25 }] },
            "refused": { "services": [{ "service": service, "per_second": 2.0 }] },
            "fullest": [
                {
                    "service": service,
                    "account": null,
                    "endpoint": "CreateSession",
                    "admissions_in_window": 149,
                    "admissions_allowed": 150,
                },
                {
                    "service": null,
                    "account": null,
                    "endpoint": "FetchService",
                    "admissions_in_window": 1,
                    "admissions_allowed": 150,
                },
            ],
        });
        let text = render(&top, 10);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "service, of the last 42 s               a second   limited");
        assert_eq!(lines[2], format!("{service}          31.2         2"));
        assert!(lines[5].starts_with(&format!("{service} CreateSession ")), "{text}");
        assert!(lines[5].ends_with(" 149 of 150"), "{text}");
        assert!(lines[6].starts_with("(a name or key not seen before) FetchService"), "{text}");
    }
}
