//! Runs the MQTT client: connects, connects again, publishes requests and sorts what arrives.
//!
//! What the MQTT client (`rumqttc-v5-next`) does with an unacknowledged PUBLISH decides what this module may promise:
//! - The connection is lost: it keeps the PUBLISH, and whatever it had not sent yet.
//! - CONNACK says Session Present = 1: it sends all of them again with their packet identifiers, before anything new,
//!   and with DUP where they had been sent [MQTT-4.4.0-1]. The Message Expiry Interval is not shortened.
//! - CONNACK says Session Present = 0: it discards all of them [MQTT-3.2.2-4] and nothing reaches the new session, so
//!   their callers are told at once. A request that still waited in this client is sent on the new session.
//!
//! When a connection ends, it drops what it has read and not yet given out. A message is therefore acknowledged here,
//! after it was handled, and packets are read one by one: what is lost so is sent again on the resumed session.
//!
//! Requests are handed over only on a connection with a subscription for their responses, and only up to the in-flight
//! limit. A client that is full of unacknowledged requests is silent, so its keep-alive finds a dead peer.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, DisconnectProperties, DisconnectReasonCode, Event, EventLoop,
    Packet, Publish, PublishOptions, PublishProperties, StateError, SubAck, SubscribeNoticeError,
    SubscribeReasonCode,
};
use tokio::select;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::acknowledgements::Acknowledgements;
use crate::connection_event::ConnectionEvent;
use crate::error::Error;
use crate::notification::is_notification;
use crate::options::{Backoff, ConnectionListener};
use crate::request::REQUEST_TOPIC;
use crate::shared::{Outgoing, Shared};

/// How long a DISCONNECT may take to be written when the client is closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest packet that MQTT can express, in bytes: fixed header and Remaining Length.
const MAX_PACKET_SIZE: u32 = 268_435_455 + 5;

/// Runs a client's connection until the last of its handles is gone or [`StateStore::close`](crate::StateStore::close)
/// is called. Nothing happens unless [`Driver::run`] is polled.
pub struct Driver {
    event_loop: EventLoop,
    link: Link,
    reconnect: Backoff,
}

/// The driver's view of the current connection, and all it needs while the event loop is borrowed.
struct Link {
    client: AsyncClient,
    shared: Arc<Shared>,
    client_id: String,
    response_topic: String,
    in_flight_limit: usize,
    listener: Option<ConnectionListener>,
    connected: bool,
    /// There was a session before, which the broker can lose.
    has_session: bool,
    /// The session has the subscription to the response topic.
    subscribed: bool,
    subscription: Option<Subscription>,
    acknowledgements: Acknowledgements,
    maximum_packet_size: u32,
}

type Subscription = Pin<Box<dyn Future<Output = Result<SubAck, SubscribeNoticeError>> + Send>>;

impl Driver {
    pub(crate) fn new(
        client: AsyncClient,
        event_loop: EventLoop,
        shared: Arc<Shared>,
        response_topic: String,
        options: &crate::Options,
    ) -> Self {
        let link = Link {
            client,
            shared,
            client_id: event_loop.options.client_id(),
            response_topic,
            in_flight_limit: options.in_flight_limit.get().into(),
            listener: options.connection_listener.clone(),
            connected: false,
            has_session: false,
            subscribed: false,
            subscription: None,
            acknowledgements: Acknowledgements::default(),
            maximum_packet_size: MAX_PACKET_SIZE,
        };
        Driver { event_loop, link, reconnect: options.reconnect }
    }

    /// Connects, and connects again whenever the connection is lost, until the client is closed; then disconnects.
    pub async fn run(mut self) {
        let mut pause = self.reconnect.initial;
        loop {
            match self.next_event().await {
                Some(Ok(Event::Incoming(Packet::ConnAck(connack)))) => {
                    pause = self.reconnect.initial;
                    // The first connection started clean; from now on there is a session to come back to.
                    self.event_loop.options.set_clean_start(false);
                    self.link.connected(&connack);
                }
                Some(Ok(Event::Incoming(Packet::Publish(publish)))) => self.link.publish_arrived(&publish),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.link.lost(&error);
                    select! {
                        biased;
                        () = self.link.shared.closed() => return,
                        () = sleep(pause) => {}
                    }
                    pause = pause.saturating_mul(2).min(self.reconnect.limit);
                }
                None => return self.disconnect().await,
            }
        }
    }

    /// `None` when the client was closed. The event loop's future is not cancel safe, so it is polled to its end while
    /// requests are handed over beside it.
    async fn next_event(&mut self) -> Option<Result<Event, ConnectionError>> {
        let Driver { event_loop, link, .. } = self;
        let mut event = pin!(event_loop.poll());
        loop {
            if link.shared.is_closed() {
                return None;
            }
            link.hand_over();
            // Without room for another request it passes unheeded.
            let deadline = if link.has_room() { link.shared.next_deadline() } else { None };
            select! {
                biased;
                event = &mut event => return Some(event),
                (id, result) = link.acknowledgements.next() => {
                    if let Err(error) = result {
                        link.shared.fail(id, error);
                    }
                }
                result = subscription(&mut link.subscription) => link.subscription_answered(result),
                () = link.shared.wake.notified() => {}
                // To be handed over again.
                () = passed(deadline) => {}
            }
        }
    }

    /// Sends DISCONNECT, so that the broker does not take the end for a lost connection. It ends the session too, to which
    /// nobody comes back.
    async fn disconnect(mut self) {
        let properties = DisconnectProperties {
            session_expiry_interval: Some(0),
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        };
        let reason = DisconnectReasonCode::NormalDisconnection;
        if self.link.connected
            && self.link.client.try_disconnect_now_with_properties(reason, properties).is_ok()
        {
            let ended = async { while self.event_loop.poll().await.is_ok() {} };
            // A peer that takes no more bytes gets no farewell.
            let _ = timeout(DISCONNECT_TIMEOUT, ended).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.link.shared.close();
    }
}

/// Pends for ever where there is no deadline.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

async fn subscription(subscription: &mut Option<Subscription>) -> Result<SubAck, SubscribeNoticeError> {
    match subscription {
        Some(answer) => {
            let answer = answer.as_mut().await;
            *subscription = None;
            answer
        }
        None => pending().await,
    }
}

impl Link {
    fn connected(&mut self, connack: &ConnAck) {
        if !connack.session_present {
            self.subscribed = false;
            self.subscription = None;
            if self.has_session {
                self.shared.session_lost();
            }
        }
        self.connected = true;
        self.has_session = true;
        self.maximum_packet_size = connack
            .properties
            .as_ref()
            .and_then(|properties| properties.max_packet_size)
            .map_or(MAX_PACKET_SIZE, |size| size.min(MAX_PACKET_SIZE));
        self.tell(ConnectionEvent::Connected { session_present: connack.session_present });
        // An unanswered SUBSCRIBE is part of a resumed session, and its answer is still awaited.
        if !self.subscribed && self.subscription.is_none() {
            match self.client.try_subscribe_tracked(self.response_topic.clone(), QoS::AtLeastOnce) {
                Ok(notice) => self.subscription = Some(Box::pin(notice.wait_async())),
                Err(error) => self.tell(ConnectionEvent::SubscriptionRefused { reason: error.to_string() }),
            }
        }
    }

    fn subscription_answered(&mut self, answer: Result<SubAck, SubscribeNoticeError>) {
        let refused = match answer {
            Ok(suback) => match suback.return_codes.first() {
                Some(SubscribeReasonCode::Success(_)) => None,
                code => Some(format!("{code:?}")),
            },
            Err(error) => Some(error.to_string()),
        };
        match refused {
            None => self.subscribed = true,
            Some(reason) => self.tell(ConnectionEvent::SubscriptionRefused { reason }),
        }
    }

    fn lost(&mut self, error: &ConnectionError) {
        let reason = describe(error);
        if self.connected {
            self.connected = false;
            self.shared.connection_lost();
            self.tell(ConnectionEvent::Lost { reason });
        } else if matches!(error, ConnectionError::ConnectionRefused(_)) {
            self.tell(ConnectionEvent::Refused { reason });
        } else {
            self.tell(ConnectionEvent::ConnectFailed { reason });
        }
    }

    fn publish_arrived(&self, publish: &Publish) {
        if publish.topic == self.response_topic.as_bytes() {
            self.shared.response_arrived(publish);
        } else if is_notification(&publish.topic) {
            self.shared.notification_arrived(publish);
        } else {
            self.shared.unexpected_message_arrived();
        }
        // Refused for QoS 0, which has no acknowledgement, and where the event loop has ended.
        let _ = self.client.try_ack(publish);
    }

    fn has_room(&self) -> bool {
        self.connected && self.subscribed && self.acknowledgements.len() < self.in_flight_limit
    }

    fn hand_over(&mut self) {
        while self.has_room() {
            let Some(outgoing) = self.shared.next_outgoing(Instant::now()) else { return };
            let id = outgoing.id;
            let mut publish = self.publish(outgoing);
            // The size is counted without the packet identifier, 2 bytes, that the MQTT client has yet to choose.
            if publish.size() + 2 > self.maximum_packet_size as usize {
                self.shared.fail(id, Error::BadRequest("larger than the broker's Maximum Packet Size"));
                continue;
            }
            let options =
                PublishOptions::at_least_once().properties(publish.properties.take().unwrap_or_default());
            match self.client.try_publish_tracked(REQUEST_TOPIC, publish.payload, options) {
                Ok(notice) => self.acknowledgements.expect(id, notice),
                Err(_) => self.shared.fail(id, Error::Closed),
            }
        }
    }

    fn publish(&self, outgoing: Outgoing) -> Publish {
        let mut user_properties = vec![
            ("__ts".to_owned(), outgoing.timestamp),
            ("__protVer".to_owned(), "1.0".to_owned()),
            ("__srcId".to_owned(), self.client_id.clone()),
        ];
        user_properties.extend(outgoing.request.fencing_token.map(|token| ("__ft".to_owned(), token)));
        let properties = PublishProperties {
            message_expiry_interval: Some(outgoing.message_expiry_interval_s),
            response_topic: Some(self.response_topic.clone()),
            correlation_data: Some(outgoing.correlation_data),
            content_type: Some("application/octet-stream".to_owned()),
            user_properties,
            ..PublishProperties::default()
        };
        Publish::new(REQUEST_TOPIC, QoS::AtLeastOnce, outgoing.request.payload, Some(properties))
    }

    fn tell(&self, event: ConnectionEvent) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

/// A connection's end in the words of the standard or of the operating system, where there are any.
fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => error.to_string(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the broker closed the connection".to_owned()
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the broker did not answer a PINGREQ within the keep-alive interval".to_owned()
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => {
            format!("what it sent is not MQTT 5: {error}")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("the broker sent DISCONNECT: {reason_code:?}")
        }
        ConnectionError::ConnectionRefused(code) => format!("{code:?}"),
        ConnectionError::Timeout(_) => "no CONNACK within the time allowed".to_owned(),
        other => other.to_string(),
    }
}
