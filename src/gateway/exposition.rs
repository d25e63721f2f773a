//! The formats of `/metrics`: `OpenMetrics`, or the older text format of Prometheus.
use std::fmt::Write as _;

use http::{HeaderMap, header};

/// The content type of the text format
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub(super) const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A format of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsFormat {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4, which every program reads.
    Text,
}

impl MetricsFormat {
    /// Returns the format that the request asks for: `OpenMetrics` if `Accept` names it and does
    /// not prefer text, else text.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter();
        let ranges = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        let mut open_metrics = 0.0;
        let mut text = 0.0;
        for range in ranges {
            let (media_type, weight) = media_range(range);
            match media_type.as_str() {
                "application/openmetrics-text" => open_metrics = weight.max(open_metrics),
                "text/plain" => text = weight.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// Returns the media type in lower case, and its weight, which is 1 where it is not said
/// (RFC 9110, 12.5.1).
fn media_range(range: &str) -> (String, f32) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value)
    });
    let weight = weight.map_or(1.0, |value| value.trim().parse().unwrap_or(0.0));
    (media_type, weight)
}

/// Returns metrics in the text format of Prometheus. A counter's family has the name of its sample
/// there, with `_total`, and the file has no `# EOF`.
pub(super) fn as_prometheus_text(open_metrics: &str) -> String {
    let is_counter = |name: &str| {
        let line = format!("# TYPE {name} counter");
        open_metrics.lines().any(|one| one == line)
    };
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF"), ..) => {}
            (Some("#"), Some(word @ ("HELP" | "TYPE")), Some(name), rest) => {
                let total = if is_counter(name) { "_total" } else { "" };
                let _ = writeln!(text, "# {word} {name}{total} {}", rest.unwrap_or_default());
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        let wanted = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_str(accept).expect("a value"),
            );
            MetricsFormat::wanted(&headers)
        };
        assert_eq!(
            MetricsFormat::wanted(&HeaderMap::new()),
            MetricsFormat::Text
        );
        for (accept, expected) in [
            ("text/plain;version=0.0.4", MetricsFormat::Text),
            ("*/*", MetricsFormat::Text),
            ("application/openmetrics-text", MetricsFormat::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                MetricsFormat::OpenMetrics,
            ),
            (
                "text/plain;q=0.9, application/openmetrics-text;q=0.1",
                MetricsFormat::Text,
            ),
            ("application/openmetrics-text;q=0", MetricsFormat::Text),
            ("application/openmetrics-text;q=x", MetricsFormat::Text),
        ] {
            assert_eq!(wanted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn counters_have_the_names_of_their_samples_in_text() {
        let open_metrics = "# HELP a_b Some words.\n# TYPE a_b counter\na_b_total{x=\"y z\"} 3\n# HELP c Other.\n# TYPE c gauge\nc 4\n# EOF\n";
        assert_eq!(
            as_prometheus_text(open_metrics),
            "# HELP a_b_total Some words.\n# TYPE a_b_total counter\na_b_total{x=\"y z\"} 3\n# HELP c Other.\n# TYPE c gauge\nc 4\n"
        );
    }
}
