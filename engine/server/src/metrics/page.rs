//! Metrics of one kind after the other, as the encoder wants them.

use std::fmt;

use mayfly_net::Latency;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The page of a scrape.
pub(super) struct Page<'e> {
    pub(super) encoder: DescriptorEncoder<'e>,
}

impl Page<'_> {
    pub(super) fn size(&mut self, name: &str, help: &str, size: usize) -> fmt::Result {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(size).unwrap_or(i64::MAX)).encode(encoder)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, u64)],
    ) -> fmt::Result {
        let values: Vec<_> = values.iter().map(|&(value, count)| ([(label, value)], count)).collect();
        self.labelled(name, help, MetricType::Counter, &values)
    }

    pub(super) fn sizes(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, usize)],
    ) -> fmt::Result {
        let values: Vec<_> = values.iter().map(|&(value, size)| ([(label, value)], size as u64)).collect();
        self.labelled(name, help, MetricType::Gauge, &values)
    }

    pub(super) fn latency(&mut self, name: &str, help: &str, latency: &Latency) -> fmt::Result {
        let bound = |bucket| Latency::upper_bound(bucket).map_or(f64::INFINITY, |bound| bound.as_secs_f64());
        let buckets: Vec<_> =
            latency.buckets.iter().enumerate().map(|(at, count)| (bound(at), *count)).collect();
        let count = latency.buckets.iter().sum();
        let mut encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(latency.sum.as_secs_f64(), count, &buckets, None)
    }

    /// One value for each set of labels.
    pub(super) fn labelled<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: &[([(&str, &str); N], u64)],
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, count) in values {
            let metric = family.encode_family(labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(*count).encode(metric)?,
                _ => ConstGauge::new(i64::try_from(*count).unwrap_or(i64::MAX)).encode(metric)?,
            }
        }
        Ok(())
    }
}
