//! What the server counts about itself, cheaply enough for the decide path: plain atomics, no
//! locks, no labels from outside.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The parts of the surface that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Ingest,
    Decide,
    Management,
    Other,
}

const AREAS: [(Area, &str); 4] = [
    (Area::Ingest, "ingest"),
    (Area::Decide, "decide"),
    (Area::Management, "management"),
    (Area::Other, "other"),
];

/// Upper bounds of the buckets of durations, in microseconds; a last bucket takes the rest.
const BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// Counters of the HTTP surface.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    areas: [AreaMetrics; 4],
    /// Panics that were caught. Any is a bug.
    pub(crate) panics: AtomicU64,
}

#[derive(Debug, Default)]
struct AreaMetrics {
    /// By class of status: 1xx to 5xx.
    answers: [AtomicU64; 5],
    durations: [AtomicU64; BOUNDS_US.len() + 1],
    duration_us_sum: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, area: Area, status: u16, took: Duration) {
        let Some(metrics) = self.area(area) else { return };
        let class = usize::from(status / 100).saturating_sub(1);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|&bound| us <= bound).unwrap_or(BOUNDS_US.len());
        if let (Some(answers), Some(durations)) =
            (metrics.answers.get(class), metrics.durations.get(bucket))
        {
            answers.fetch_add(1, Ordering::Relaxed);
            durations.fetch_add(1, Ordering::Relaxed);
            metrics.duration_us_sum.fetch_add(us, Ordering::Relaxed);
        }
    }

    fn area(&self, area: Area) -> Option<&AreaMetrics> {
        let position = AREAS.iter().position(|(known, _)| *known == area)?;
        self.areas.get(position)
    }

    /// Writes the counters in the Prometheus text format.
    pub(crate) fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        self.try_write(out).ok();
    }

    fn try_write(&self, out: &mut String) -> std::fmt::Result {
        out.push_str("# HELP concierge_http_requests_total Answered calls.\n");
        out.push_str("# TYPE concierge_http_requests_total counter\n");
        for ((_, area), metrics) in AREAS.iter().zip(&self.areas) {
            for (class, count) in (1..).zip(&metrics.answers) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    writeln!(
                        out,
                        "concierge_http_requests_total{{area=\"{area}\",status=\"{class}xx\"}} {count}"
                    )?;
                }
            }
        }
        out.push_str(
            "# HELP concierge_http_request_seconds Time from the head of a call to its answer.\n",
        );
        out.push_str("# TYPE concierge_http_request_seconds histogram\n");
        for ((_, area), metrics) in AREAS.iter().zip(&self.areas) {
            metrics.write_durations(area, out)?;
        }
        out.push_str(
            "# HELP concierge_http_panics_total Panics that were caught; each is a bug.\n",
        );
        out.push_str("# TYPE concierge_http_panics_total counter\n");
        writeln!(out, "concierge_http_panics_total {}", self.panics.load(Ordering::Relaxed))
    }
}

impl AreaMetrics {
    fn write_durations(&self, area: &str, out: &mut String) -> std::fmt::Result {
        let name = "concierge_http_request_seconds";
        let mut total = 0;
        for (position, count) in self.durations.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = match BOUNDS_US.get(position) {
                Some(us) => Duration::from_micros(*us).as_secs_f64().to_string(),
                None => "+Inf".to_owned(),
            };
            writeln!(out, "{name}_bucket{{area=\"{area}\",le=\"{bound}\"}} {total}")?;
        }
        let sum = Duration::from_micros(self.duration_us_sum.load(Ordering::Relaxed));
        writeln!(out, "{name}_sum{{area=\"{area}\"}} {}", sum.as_secs_f64())?;
        writeln!(out, "{name}_count{{area=\"{area}\"}} {total}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_area_and_class() {
        let metrics = Metrics::default();
        metrics.answered(Area::Decide, 200, Duration::from_micros(300));
        metrics.answered(Area::Decide, 404, Duration::from_secs(60));
        let mut out = String::new();
        metrics.write(&mut out);
        for line in [
            "concierge_http_requests_total{area=\"decide\",status=\"2xx\"} 1",
            "concierge_http_requests_total{area=\"decide\",status=\"4xx\"} 1",
            "concierge_http_request_seconds_bucket{area=\"decide\",le=\"0.00025\"} 0",
            "concierge_http_request_seconds_bucket{area=\"decide\",le=\"0.0005\"} 1",
            "concierge_http_request_seconds_bucket{area=\"decide\",le=\"+Inf\"} 2",
            "concierge_http_request_seconds_count{area=\"decide\"} 2",
            "concierge_http_panics_total 0",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} is missing from\n{out}");
        }
    }
}
