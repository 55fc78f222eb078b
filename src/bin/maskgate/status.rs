//! `maskgate status` and `maskgate top`: how a running gateway is, in a terminal.

use std::fmt::Write as _;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use maskgate::time::wall_clock;
use tokio::time;

use crate::ask;
use crate::cli::TopArgs;
use crate::scrape::Scrape;
use crate::services;

/// Up to the top left, and nothing there any more.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";
/// Endpoints, services and windows that are listed.
const LISTED: usize = 10;

/// How a gateway was at one moment.
struct Seen {
    is_ready: bool,
    scrape: Scrape,
    /// When it was seen, since 1970.
    at: Duration,
}

/// Prints how the gateway is; answers whether it is ready.
pub(crate) async fn status(admin: SocketAddr) -> Result<bool, String> {
    let seen = look(admin).await?;
    let nothing = Scrape::default();
    let text = render(&seen, &nothing, None);
    print(&text)?;
    Ok(seen.is_ready)
}

/// Prints what has happened since the last look, again and again.
pub(crate) async fn top(args: &TopArgs) -> Result<(), String> {
    let mut ticks = time::interval(args.interval);
    let mut left = args.count;
    ticks.tick().await;
    let mut before = look(args.admin.admin).await?;
    while left != Some(0) {
        ticks.tick().await;
        let now = look(args.admin.admin).await?;
        let clear = if io::stdout().is_terminal() { CLEAR } else { "" };
        let since = now.at.saturating_sub(before.at);
        let whole = render(&now, &before.scrape, Some(since));
        let services = services::lately(args.admin.admin, LISTED).await?;
        print(&format!("{clear}{whole}{services}"))?;
        before = now;
        left = left.map(|left| left.saturating_sub(1));
    }
    Ok(())
}

async fn look(admin: SocketAddr) -> Result<Seen, String> {
    let ready = ask::page(admin, "/readyz").await?;
    let metrics = ask::page(admin, "/metrics").await?;
    if metrics.status != StatusCode::OK {
        return Err(format!("{admin} answers {} for /metrics", metrics.status));
    }
    let is_ready = ready.status == StatusCode::OK;
    Ok(Seen { is_ready, scrape: Scrape::of(&metrics.text), at: wall_clock() })
}

fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
}

/// The page: counts since the start, or where `since` is given, a second since `before`.
fn render(seen: &Seen, before: &Scrape, since: Option<Duration>) -> String {
    let Seen { is_ready, scrape, at } = seen;
    let mut text = String::new();
    let mut line = |name: &str, says: String| {
        // Writing to a string never fails.
        let _infallible = writeln!(text, "{name:<12}{says}");
    };
    let seconds = since.map(|since| since.as_secs_f64().max(0.001));
    let counted = |name: &str, labels: &[(&str, &str)]| {
        let more = scrape.sum(name, labels) - before.sum(name, labels);
        seconds.map_or(more, |seconds| more / seconds)
    };
    let started = Duration::try_from_secs_f64(scrape.sum("maskgate_start_time_seconds", &[]));
    let up = at.saturating_sub(started.unwrap_or_default());
    line(
        "maskgate",
        format!(
            "{}, {}, up {}, policy {}",
            scrape.label("maskgate_build_info", "version"),
            if *is_ready { "ready" } else { "not ready" },
            span(up),
            scrape.sum("maskgate_config_generation", &[]),
        ),
    );
    let per = if seconds.is_some() { " a second" } else { "" };
    line("requests", requests(scrape, &counted, per));
    for (name, says) in gauges(scrape) {
        line(name, says);
    }
    line("upstream", upstream(scrape, before, &counted));
    line(
        "reloads",
        format!(
            "{} applied, {} refused",
            scrape.sum("maskgate_config_reloads_total", &[("result", "applied")]),
            scrape.sum("maskgate_config_reloads_total", &[("result", "refused")]),
        ),
    );
    text.push('\n');
    text.push_str(&endpoints(scrape, before, seconds));
    text
}

fn requests(
    scrape: &Scrape,
    counted: &impl Fn(&str, &[(&str, &str)]) -> f64,
    per: &str,
) -> String {
    let decisions = scrape.by("maskgate_requests_total", "decision");
    let mut parts = Vec::new();
    for decision in decisions.keys() {
        let number = counted("maskgate_requests_total", &[("decision", decision)]);
        if number > 0.0 || *decision == "forwarded" || *decision == "limited" {
            parts.push(format!("{} {decision}", rounded(number)));
        }
    }
    format!("{}{per}", parts.join(", "))
}

/// What is so now.
fn gauges(scrape: &Scrape) -> [(&'static str, String); 3] {
    let gauge = |name: &str| scrape.sum(name, &[]);
    let windows = format!(
        "{} alive, {} guarded",
        gauge("maskgate_live_keys"),
        gauge("maskgate_guarded_windows")
    );
    let fill = |kind| percent(scrape.sum("maskgate_pool_fill_ratio", &[("kind", kind)]));
    let pools = format!(
        "{} services counted, {} near a limit; fullest: reserved {}, others {}",
        gauge("maskgate_pools_known"),
        gauge("maskgate_pools_near_limit"),
        fill("reserved"),
        fill("unreserved"),
    );
    let under_way = format!(
        "{} requests, {} connections, {} bytes of bodies",
        gauge("maskgate_in_flight_requests"),
        gauge("maskgate_connections"),
        gauge("maskgate_request_body_bytes"),
    );
    [("windows", windows), ("pools", pools), ("under way", under_way)]
}

fn upstream(
    scrape: &Scrape,
    before: &Scrape,
    counted: &impl Fn(&str, &[(&str, &str)]) -> f64,
) -> String {
    let within = |share| {
        let bound = scrape.quantile(before, "maskgate_upstream_duration_seconds", share);
        bound.map_or_else(|| "-".to_owned(), |bound| format!("{} ms", rounded(bound * 1000.0)))
    };
    format!(
        "half within {}, 99 % within {}; {} errors, {} idle connections",
        within(0.5),
        within(0.99),
        rounded(counted("maskgate_upstream_errors_total", &[])),
        scrape.sum("maskgate_upstream_idle_connections", &[]),
    )
}

/// The endpoints with the most requests, and how full their fullest windows are.
fn endpoints(scrape: &Scrape, before: &Scrape, seconds: Option<f64>) -> String {
    let earlier = before.by("maskgate_requests_total", "endpoint");
    let fill = scrape.by("maskgate_window_fill_ratio", "endpoint");
    let mut busy: Vec<(&str, f64)> = scrape
        .by("maskgate_requests_total", "endpoint")
        .into_iter()
        .map(|(endpoint, all)| (endpoint, all - earlier.get(endpoint).copied().unwrap_or(0.0)))
        .filter(|(endpoint, more)| {
            *more > 0.0 || fill.get(endpoint).is_some_and(|fill| *fill > 0.0)
        })
        .collect();
    busy.sort_by(|one, other| other.1.total_cmp(&one.1));
    let head = if seconds.is_some() { "a second" } else { "requests" };
    let mut text = format!("{:<28}{head:>10}{:>10}{:>10}\n", "endpoint", "limited", "fill");
    for (endpoint, more) in busy.into_iter().take(LISTED) {
        let labels = [("endpoint", endpoint), ("decision", "limited")];
        let limited = |scrape: &Scrape| scrape.sum("maskgate_requests_total", &labels);
        let limited = limited(scrape) - limited(before);
        let of = |number: f64| rounded(seconds.map_or(number, |seconds| number / seconds));
        let fill = percent(fill.get(endpoint).copied().unwrap_or(0.0));
        // Writing to a string never fails.
        let _infallible =
            writeln!(text, "{endpoint:<28}{:>10}{:>10}{fill:>10}", of(more), of(limited));
    }
    text
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// One digit behind the point, where it says something.
pub(crate) fn rounded(number: f64) -> String {
    if number.fract().abs() < 0.05 { format!("{number:.0}") } else { format!("{number:.1}") }
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}
