//! What the clients did and saw in MQTT as rows of a report: each event is an operation on its client's lane, named by its
//! packet, its topic or filter as the key.

use mayfly_reports::{Operation, Outcome};

use crate::history::History;
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{Connect, Deliver, Ended, EventId, MqttEvent, Publish, PublishOutcome, What};
use crate::history::scan::{Answered, Page, Token};
use crate::history::watch::{Notified, Watch};

/// Every event, numbered behind the operations of the state store, but for those that tell more of an operation: the
/// operations themselves show them.
pub(super) fn rows(history: &History) -> impl Iterator<Item = Operation> {
    let events = history.mqtt.iter().enumerate();
    let shown = events.filter(|(_, event)| !matches!(event.what, What::Answered(_) | What::Watch(_)));
    shown.map(|(index, _)| row(history, EventId(index)))
}

/// One event.
pub(super) fn row(history: &History, id: EventId) -> Operation {
    let event = history.mqtt_event(id);
    let Shown { key, argument, condition, completed_ns, outcome } = shown(event);
    Operation {
        id: history.shown_as(id).0,
        client: history.client_name(event.client).to_owned(),
        kind: event.verb(),
        key,
        argument,
        condition: (!condition.is_empty()).then(|| condition.join(", ")),
        invoked_ns: event.at_ns,
        completed_ns,
        outcome,
    }
}

/// What an event's kind decides.
struct Shown {
    key: String,
    argument: Option<String>,
    condition: Vec<String>,
    completed_ns: Option<u64>,
    outcome: Outcome,
}

fn shown(event: &MqttEvent) -> Shown {
    match &event.what {
        What::Connect(connect) => shown_connect(connect),
        What::Subscribe(subscribe) => Shown {
            key: subscribe.filter.clone(),
            argument: None,
            condition: vec![format!("QoS {}", subscribe.qos)],
            completed_ns: subscribe.answer.map(|(at_ns, _)| at_ns),
            outcome: match subscribe.answer {
                Some((_, reason)) if reason < 0x80 => ok(format!("granted QoS {reason}")),
                Some((_, reason)) => failed(reason),
                None => unknown("no SUBACK came"),
            },
        },
        What::Publish(publish) => shown_publish(event.at_ns, publish),
        What::Deliver(deliver) => shown_delivery(event.at_ns, deliver),
        What::Hold(hold) => shown_hold(hold),
        What::Watch(watch) => shown_watch(watch),
        What::Notified(notified) => shown_notification(event.at_ns, notified),
        What::Page(page) => shown_page(page),
        What::Forgotten(_) => Shown {
            key: String::new(),
            argument: None,
            condition: Vec::new(),
            completed_ns: None,
            outcome: unknown("left out"),
        },
        What::Answered(answered) => Shown {
            key: answered.operation.to_string(),
            argument: None,
            condition: Vec::new(),
            completed_ns: Some(event.at_ns),
            outcome: ok("received".to_owned()),
        },
        What::Hostile(hostile) => Shown {
            key: hostile.deed.clone().into_owned(),
            argument: None,
            condition: Vec::new(),
            completed_ns: hostile.end.as_ref().map(|(at_ns, _)| *at_ns),
            outcome: match &hostile.end {
                Some((_, end)) => ok(end.clone()),
                None => unknown("the connection was left open"),
            },
        },
    }
}

fn shown_connect(connect: &Connect) -> Shown {
    let mut condition = Vec::new();
    if connect.clean_start {
        condition.push("clean start".to_owned());
    }
    if let Some(will) = &connect.will {
        condition.push(format!("will {} after {} s", will.payload, will.delay_s));
    }
    let end = connect.end.as_ref().map(|end| match &end.how {
        Ended::Disconnected => "the client disconnected".to_owned(),
        Ended::Cut => "the client cut it".to_owned(),
        Ended::ByBroker(reason) => format!("the broker ended it with {reason:#04x}"),
        Ended::Lost(why) => format!("lost: {why}"),
    });
    Shown {
        key: connect.client_id.clone(),
        argument: None,
        condition,
        completed_ns: connect.answer.map(|answer| answer.at_ns),
        outcome: match connect.answer {
            Some(answer) if answer.reason == 0 => {
                let session = if answer.session_present { "session present" } else { "new session" };
                ok(end.map_or_else(|| session.to_owned(), |end| format!("{session}; {end}")))
            }
            Some(answer) => failed(answer.reason),
            None => unknown(&end.unwrap_or_else(|| "no CONNACK came".to_owned())),
        },
    }
}

fn shown_publish(at_ns: u64, publish: &Publish) -> Shown {
    let mut condition = Vec::new();
    if publish.retain {
        condition.push("retain".to_owned());
    }
    if !publish.sent_again_ns.is_empty() {
        condition.push(format!("sent {} times", publish.sent_again_ns.len() + 1));
    }
    let (completed_ns, outcome) = match publish.outcome {
        PublishOutcome::Sent => (Some(at_ns), ok("sent; QoS 0 is never acknowledged".to_owned())),
        PublishOutcome::Open => (None, unknown("the run ended before the acknowledgement")),
        PublishOutcome::Forgotten { at_ns } => (Some(at_ns), unknown("left out")),
        PublishOutcome::Acknowledged { at_ns, reason } if reason < 0x80 => {
            let matched = if reason == 0x10 { "acknowledged, no subscriber" } else { "acknowledged" };
            (Some(at_ns), ok(matched.to_owned()))
        }
        PublishOutcome::Acknowledged { at_ns, reason } => (Some(at_ns), failed(reason)),
        PublishOutcome::Unknown { at_ns } => {
            (Some(at_ns), unknown("the broker lost the session before the acknowledgement"))
        }
    };
    let (key, argument) = (publish.topic.clone(), Some(publish.payload.clone()));
    Shown { key, argument, condition, completed_ns, outcome }
}

fn shown_hold(hold: &Hold) -> Shown {
    let mut condition = vec![format!("token {}", hold.token)];
    condition.extend((hold.stalls > 0).then(|| format!("stood still {} times", hold.stalls)));
    Shown {
        key: hold.key.clone(),
        argument: None,
        condition,
        completed_ns: hold.end.as_ref().map(|(at_ns, _)| *at_ns),
        outcome: match &hold.end {
            Some((_, HoldEnd::Released)) => ok("released".to_owned()),
            Some((_, HoldEnd::Lost(why))) => ok(format!("lost: {why}")),
            Some((_, HoldEnd::Crashed)) => ok("lost: the client was killed".to_owned()),
            None => unknown("held until the run ended"),
        },
    }
}

fn shown_watch(watch: &Watch) -> Shown {
    Shown {
        key: watch.key.clone(),
        argument: None,
        condition: (!watch.sent_again_on.is_empty()).then(|| "sent again".to_owned()).into_iter().collect(),
        completed_ns: watch.answer.map(|answer| answer.at_ns),
        outcome: match watch.answer {
            Some(answer) if watch.stop && !answer.was_registered => ok("was not registered".to_owned()),
            Some(_) if watch.stop => ok("registered no more".to_owned()),
            Some(_) => ok("registered".to_owned()),
            None => unknown("no response came"),
        },
    }
}

fn shown_notification(at_ns: u64, notified: &Notified) -> Shown {
    let mut condition = vec![format!("version {}", notified.version)];
    condition.extend(notified.dup.then(|| "DUP".to_owned()));
    let value = notified.value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned());
    Shown {
        key: notified.key.clone(),
        outcome: ok(if value.is_some() { "set" } else { "deleted" }.to_owned()),
        argument: value,
        condition,
        completed_ns: Some(at_ns),
    }
}

fn shown_page(page: &Page) -> Shown {
    let token = match &page.token {
        None => "first page".to_owned(),
        Some(Token { is_forged: true, .. }) => "forged token".to_owned(),
        Some(Token { is_forged: false, .. }) => "next page".to_owned(),
    };
    Shown {
        key: format!("{}*", page.prefix),
        argument: None,
        condition: vec![token, format!("scan {}", page.scan)],
        completed_ns: page.answer.as_ref().map(|answer| answer.at_ns),
        outcome: match page.answer.as_ref().map(|answer| &answer.what) {
            Some(Answered::Keys { keys, next: Some(_), .. }) => ok(format!("{} keys, and more", keys.len())),
            Some(Answered::Keys { keys, next: None, .. }) => ok(format!("{} keys, the last", keys.len())),
            Some(Answered::Refused(text)) => Outcome::Failed { error: text.clone() },
            None => unknown("no response came"),
        },
    }
}

fn shown_delivery(at_ns: u64, deliver: &Deliver) -> Shown {
    let mut condition = Vec::new();
    condition.extend(deliver.packet_id.map(|id| format!("packet identifier {id}")));
    condition.extend(deliver.dup.then(|| "DUP".to_owned()));
    condition.extend(deliver.retain.then(|| "retain".to_owned()));
    let taken = match (deliver.late, deliver.known) {
        (true, _) => "ignored: a newer connection had taken over",
        (false, true) => "dropped by the receiver, which has it",
        (false, false) => "received",
    };
    Shown {
        key: deliver.topic.clone(),
        argument: Some(deliver.payload.clone()),
        condition,
        completed_ns: Some(at_ns),
        outcome: ok(taken.to_owned()),
    }
}

fn ok(reply: String) -> Outcome {
    Outcome::Ok { reply, version: None }
}

fn failed(reason: u8) -> Outcome {
    Outcome::Failed { error: format!("refused with {reason:#04x}") }
}

fn unknown(reason: &str) -> Outcome {
    Outcome::Unknown { reason: reason.to_owned() }
}
