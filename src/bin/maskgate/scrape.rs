//! The metrics of a running gateway, as one scrape tells them.

use std::collections::BTreeMap;

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Every series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scrape(Vec<Sample>);

impl Scrape {
    /// Reads Prometheus' text format; what is no sample is left out.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    /// The sum over all series of this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.named(name, labels).map(|sample| sample.value).sum()
    }

    /// The sum for each value of a label.
    pub(crate) fn by<'s>(&'s self, name: &str, label: &str) -> BTreeMap<&'s str, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.named(name, &[]) {
            let value = sample.labels.get(label).map(String::as_str).unwrap_or_default();
            *sums.entry(value).or_default() += sample.value;
        }
        sums
    }

    /// A label's value in the only series of this name.
    pub(crate) fn label<'s>(&'s self, name: &str, label: &str) -> &'s str {
        let found = self.named(name, &[]).find_map(|sample| sample.labels.get(label));
        found.map(String::as_str).unwrap_or_default()
    }

    /// The upper bound of the bucket of a histogram that holds this share of what was observed
    /// since `before`; none where nothing was.
    pub(crate) fn quantile(&self, before: &Self, name: &str, share: f64) -> Option<f64> {
        let bucket = format!("{name}_bucket");
        let bound = |text: &str| text.parse::<f64>().unwrap_or(f64::INFINITY);
        let earlier = before.by(&bucket, "le");
        let mut since: Vec<(f64, f64)> = self
            .by(&bucket, "le")
            .into_iter()
            .map(|(le, count)| (bound(le), count - earlier.get(le).copied().unwrap_or(0.0)))
            .collect();
        since.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all = since.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        since.iter().find(|(_, count)| *count >= all * share).map(|(bound, _)| *bound)
    }

    fn named<'s, 'q>(
        &'s self,
        name: &'q str,
        labels: &'q [(&'q str, &'q str)],
    ) -> impl Iterator<Item = &'s Sample> + use<'s, 'q> {
        self.0.iter().filter(move |sample| {
            let has = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }
}

/// `name{label="value",…} 1.5`; no label of ours has a quote or a comma in its value.
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split(',').filter_map(|pair| {
        let (label, value) = pair.split_once('=')?;
        Some((label.to_owned(), value.trim_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect(), value })
}

#[cfg(test)]
mod tests {
    use super::Scrape;

    const BEFORE: &str = "# HELP a b\nt_bucket{le=\"0.1\"} 1\nt_bucket{le=\"0.5\"} 1\n\
                          t_bucket{le=\"+Inf\"} 1\n";
    const TEXT: &str = "# TYPE r counter\nr{endpoint=\"A\",decision=\"x\"} 2\n\
                        r{endpoint=\"B\",decision=\"x\"} 3\nr{endpoint=\"B\",decision=\"y\"} 0.5\n\
                        g 7\nt_bucket{le=\"0.1\"} 1\nt_bucket{le=\"0.5\"} 10\n\
                        t_bucket{le=\"+Inf\"} 11\n";

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < f64::EPSILON
    }

    #[test]
    fn sums_are_over_the_series_that_are_meant() {
        let scrape = Scrape::of(TEXT);
        assert!(near(scrape.sum("r", &[]), 5.5));
        assert!(near(scrape.sum("r", &[("decision", "x"), ("endpoint", "B")]), 3.0));
        assert!(near(scrape.sum("g", &[]), 7.0) && near(scrape.sum("h", &[]), 0.0));
        assert!(near(scrape.by("r", "endpoint")["B"], 3.5));
        assert_eq!(scrape.label("r", "endpoint"), "A");
    }

    #[test]
    fn a_quantile_is_of_what_was_observed_in_between() {
        let (before, now) = (Scrape::of(BEFORE), Scrape::of(TEXT));
        assert_eq!(now.quantile(&before, "t", 0.5), Some(0.5));
        assert_eq!(now.quantile(&before, "t", 1.0), Some(f64::INFINITY));
        assert_eq!(now.quantile(&now, "t", 0.5), None);
    }
}
