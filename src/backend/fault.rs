//! How slow, and how unreliable? What the backend does badly on purpose, for load tests.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::draws::Draws;

/// The longest latency that is waited for.
pub const MAX_LATENCY: Duration = Duration::from_mins(1);

/// Where 99 % of a standard normal distribution lie below.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// How long the backend waits before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Latency {
    /// Not at all.
    #[default]
    None,
    /// Always so long.
    Fixed(Duration),
    /// By chance, with half of the answers below `p50` and 99 % below `p99`: a lognormal
    /// distribution, cut at [`MAX_LATENCY`].
    Spread {
        /// The median.
        p50: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
}

impl Latency {
    fn draw(self, draws: &Draws) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Fixed(latency) => Some(latency.min(MAX_LATENCY)),
            Self::Spread { p50, p99 } => {
                let (p50, p99) = (p50.as_secs_f64(), p99.as_secs_f64());
                let sigma = (p99 / p50).ln() / NORMAL_P99;
                let seconds = p50 * (sigma * normal(draws)).exp();
                Some(
                    Duration::try_from_secs_f64(seconds)
                        .unwrap_or(MAX_LATENCY)
                        .min(MAX_LATENCY),
                )
            }
        }
    }
}

/// A number of the standard normal distribution (Box and Muller 1958).
fn normal(draws: &Draws) -> f64 {
    let mut rng = draws.next();
    // Above zero, because its logarithm is taken.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Why a text is no latency.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("write a time such as 20ms or 1.5s, up to 60s, or p50=20ms,p99=200ms with p50 <= p99")]
pub struct LatencyError;

impl FromStr for Latency {
    type Err = LatencyError;

    /// Reads `20ms`, or `p50=20ms,p99=200ms`.
    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let Some(rest) = text.strip_prefix("p50=") else {
            let latency = duration(text)?;
            return Ok(if latency.is_zero() { Self::None } else { Self::Fixed(latency) });
        };
        let (p50, p99) = rest.split_once(",p99=").ok_or(LatencyError)?;
        let (p50, p99) = (duration(p50)?, duration(p99)?);
        if p50.is_zero() || p99 < p50 {
            return Err(LatencyError);
        }
        Ok(Self::Spread { p50, p99 })
    }
}

fn duration(text: &str) -> Result<Duration, LatencyError> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None if text == "0" => (text, 1.0),
        None => (text.strip_suffix('s').ok_or(LatencyError)?, 1.0),
    };
    // `inf`, `nan` and `1e9` are numbers to the standard library.
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(LatencyError);
    }
    let number: f64 = number.parse().map_err(|_| LatencyError)?;
    let duration = Duration::try_from_secs_f64(number * unit).map_err(|_| LatencyError)?;
    if duration > MAX_LATENCY { Err(LatencyError) } else { Ok(duration) }
}

/// The share of requests that are answered with 500: 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorRate(f64);

impl ErrorRate {
    /// A share from 0 to 1.
    pub fn new(share: f64) -> Result<Self, ErrorRateError> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(ErrorRateError) }
    }
}

/// Why a text is no error rate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("write a share from 0 to 1 such as 0.01, or a percentage such as 1%")]
pub struct ErrorRateError;

impl FromStr for ErrorRate {
    type Err = ErrorRateError;

    /// Reads `0.01`, or `1%`.
    fn from_str(text: &str) -> Result<Self, ErrorRateError> {
        let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |text| (text, 100.0));
        let number: f64 = number.parse().map_err(|_| ErrorRateError)?;
        Self::new(number / unit)
    }
}

/// What is done badly, and by which draws.
#[derive(Debug)]
pub(super) struct Faults {
    latency: Latency,
    errors: ErrorRate,
    latencies: Draws,
    strikes: Draws,
}

impl Faults {
    pub(super) fn new(latency: Latency, errors: ErrorRate, seed: u64) -> Self {
        Self { latency, errors, latencies: Draws::new(seed, 2), strikes: Draws::new(seed, 3) }
    }

    /// How long the next answer waits.
    pub(super) fn delay(&self) -> Option<Duration> {
        self.latency.draw(&self.latencies)
    }

    /// Whether the next request is answered with an error.
    pub(super) fn strikes(&self) -> bool {
        self.errors.0 > 0.0 && self.strikes.next().f64() < self.errors.0
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorRate;
    use super::Faults;
    use super::Latency;
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn reads_fixed_and_spread_latencies() {
        assert_eq!("20ms".parse(), Ok(Latency::Fixed(MS(20))));
        assert_eq!("1.5s".parse(), Ok(Latency::Fixed(MS(1500))));
        assert_eq!("0".parse(), Ok(Latency::None));
        let spread = Latency::Spread { p50: MS(20), p99: MS(200) };
        assert_eq!("p50=20ms,p99=200ms".parse(), Ok(spread));
    }

    #[test]
    fn reads_no_other_latencies() {
        for text in [
            "",
            "20",
            "ms",
            "-1s",
            "1e3s",
            "infs",
            "61s",
            "p50=2s,p99=1s",
            "p50=0,p99=1s",
            "p50=1s",
            "p99=1s",
        ] {
            assert!(text.parse::<Latency>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_error_rates() {
        assert_eq!("0.25".parse(), ErrorRate::new(0.25));
        assert_eq!("25%".parse(), ErrorRate::new(0.25));
        for text in ["", "-1", "1.1", "101%", "NaN", "inf"] {
            assert!(text.parse::<ErrorRate>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_spread_latency_has_the_percentiles_that_were_asked_for() {
        let latency = Latency::Spread { p50: MS(20), p99: MS(200) };
        let faults = Faults::new(latency, ErrorRate::default(), 1);
        let mut drawn: Vec<_> = (0..10_000).map(|_| faults.delay().unwrap()).collect();
        drawn.sort_unstable();
        assert!((MS(18)..MS(22)).contains(&drawn[5000]), "{:?}", drawn[5000]);
        assert!((MS(170)..MS(235)).contains(&drawn[9900]), "{:?}", drawn[9900]);
    }

    #[test]
    fn errors_strike_at_their_rate_and_the_same_requests_for_the_same_seed() {
        let strikes = |seed| {
            let faults = Faults::new(Latency::None, ErrorRate::new(0.1).unwrap(), seed);
            (0..10_000).map(|_| faults.strikes()).collect::<Vec<_>>()
        };
        let struck = strikes(1).into_iter().filter(|struck| *struck).count();
        assert!((900..1100).contains(&struck), "{struck}");
        assert_eq!(strikes(1), strikes(1));
        assert_ne!(strikes(1), strikes(2));
    }
}
