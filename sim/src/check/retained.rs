//! A subscription gets the retained message of each topic that it matches [MQTT-3.3.1-9]: the last one that was published
//! there. The broker holds them in memory, so a restart loses every one.
//!
//! Judges topics that one client publishes to. While a message is on its way the one before may come as well.

use std::collections::BTreeMap;

use super::messages::{Messages, Of, Tenure, matches};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::timeline::{RestartSpan, Timeline};
use super::{Checker, CheckerName, words};
use crate::history::History;
use crate::history::mqtt::{Deliver, EventId, Publish};

/// See the module.
#[derive(Debug)]
pub(super) struct Retained;

impl Checker for Retained {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let timeline = Timeline::new(history);
        let restarts = &timeline.restarts;
        let mut search = Search { messages: &messages, restarts, answered: 0, empty: 0, found: Vec::new() };
        let topics = search.topics();
        for tenure in messages.tenures() {
            search.subscription(&tenure, &topics);
        }
        let notes = search.restarts_in_words();
        let mut report = search.report();
        report.notes = notes;
        report
    }
}

/// The retained publications of each topic, in order.
type Topics<'h> = BTreeMap<&'h str, Vec<Of<'h, Publish>>>;

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    restarts: &'m [RestartSpan],
    /// Subscriptions to topics that had a retained message, and got it.
    answered: usize,
    /// Those that found nothing because a restart had taken it.
    empty: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn topics(&self) -> Topics<'h> {
        let mut topics: Topics<'h> = BTreeMap::new();
        for publication in self.messages.publications.iter().filter(|publication| publication.is.retain) {
            topics.entry(publication.is.topic.as_str()).or_default().push(*publication);
        }
        topics.retain(|topic, all| {
            all.iter().all(|publication| publication.client == all[0].client)
                && !self.messages.may_match(&[topic])
        });
        topics
    }

    fn subscription(&mut self, tenure: &Tenure<'h>, topics: &Topics<'h>) {
        let (asked_ns, granted_ns) = (tenure.subscribe.at_ns, tenure.from_ns);
        // What a restart interrupts proves nothing.
        if self
            .restarts
            .iter()
            .any(|restart| asked_ns <= restart.started_ns && granted_ns >= restart.stopped_ns)
        {
            return;
        }
        let restart = self.restarts.iter().rfind(|restart| restart.started_ns <= asked_ns);
        for (topic, publications) in topics {
            if !matches(&tenure.subscribe.is.filter, topic) {
                continue;
            }
            // Sent with the SUBACK, before or after it.
            let window = asked_ns..=granted_ns + 2 * self.messages.way_ns();
            let got: Vec<Of<'h, Deliver>> = self
                .messages
                .deliveries
                .iter()
                .filter(|got| {
                    got.client == tenure.subscribe.client && got.is.retain && got.is.topic == *topic
                })
                .filter(|got| window.contains(&got.at_ns))
                .copied()
                .collect();
            self.topic(tenure, topic, publications, &got, restart);
        }
    }

    fn topic(
        &mut self,
        tenure: &Tenure<'h>,
        topic: &str,
        publications: &[Of<'h, Publish>],
        got: &[Of<'h, Deliver>],
        restart: Option<&RestartSpan>,
    ) {
        let asked_ns = tenure.subscribe.at_ns;
        let who = self.messages.name(tenure.subscribe.client);
        let since_ns = restart.map_or(0, |restart| restart.started_ns);
        // The last one that the broker certainly had before it was asked, in this life of it.
        let known = publications.iter().rposition(|publication| {
            publication.is.accepted_ns().is_some_and(|at_ns| at_ns <= asked_ns)
                && publication.at_ns >= since_ns
        });
        let Some(first) = got.first() else {
            let mut perhaps = self.messages.perhaps_delivered();
            let may_have_got = perhaps.any(|copy| {
                copy.client == tenure.subscribe.client && copy.is.retain && copy.is.topic == topic
            });
            if may_have_got {
                return;
            }
            if let Some(known) = known {
                let headline = format!(
                    "{who} subscribed at {} and got no retained message of {topic}, where {} was",
                    words::seconds(asked_ns),
                    publications[known].is.payload
                );
                self.find(Anomaly::RetainedMissing, headline, &[publications[known].id, tenure.subscribe.id]);
            } else if restart
                .is_some_and(|restart| publications.iter().any(|lost| lost.at_ns < restart.stopped_ns))
            {
                self.empty += 1;
            }
            return;
        };
        self.answered += 1;
        for got in got {
            let Some(place) = publications.iter().position(|each| each.is.payload == got.is.payload) else {
                continue;
            };
            let publication = &publications[place];
            let last_sent_ns = publication.is.sent_again_ns.last().copied().unwrap_or(publication.at_ns);
            if let Some(restart) = restart.filter(|restart| last_sent_ns < restart.stopped_ns) {
                let headline = format!(
                    "{who} got {} of {topic} at {}, retained from before the restart at {}",
                    got.is.payload,
                    words::seconds(got.at_ns),
                    words::seconds(restart.stopped_ns)
                );
                self.find(Anomaly::RetainedSurvived, headline, &[publication.id, got.id]);
            } else if let Some(known) = known.filter(|known| place < *known) {
                let headline = format!(
                    "{who} got {} of {topic} at {}, although {} had replaced it before it subscribed",
                    got.is.payload,
                    words::seconds(first.at_ns),
                    publications[known].is.payload
                );
                self.find(
                    Anomaly::RetainedStale,
                    headline,
                    &[publication.id, publications[known].id, got.id],
                );
            }
        }
    }

    fn restarts_in_words(&self) -> Vec<String> {
        let words = |restart: &RestartSpan| {
            let held = self.messages.publications.iter().filter(|publication| {
                publication.is.retain
                    && publication.is.accepted_ns().is_some_and(|at_ns| at_ns <= restart.stopped_ns)
            });
            let topics: std::collections::BTreeSet<_> =
                held.map(|publication| publication.is.topic.as_str()).collect();
            format!(
                "The restart at {} lost the retained messages of {} topics: subscriptions after it found {} topics empty.",
                words::seconds(restart.stopped_ns),
                topics.len(),
                self.empty
            )
        };
        self.restarts.iter().map(words).collect()
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, Vec::new(), events));
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!("{} retained messages given to new subscriptions", self.answered);
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if self.answered == 0 {
            let why = "no subscription met a retained message".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else if !self.restarts.is_empty() && self.empty == 0 {
            let why = "nobody looked for a retained message after the restart".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Retained, verdict, summary, self.found)
    }
}
