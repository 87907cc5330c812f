//! The requests that are published and not yet acknowledged; their number is what the in-flight limit bounds.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use rumqttc::{PubAckReason, PublishNotice, PublishNoticeError, PublishResult};

use crate::error::{Error, RejectReason};
use crate::request::RequestId;

type Notice = Pin<Box<dyn Future<Output = Result<PublishResult, PublishNoticeError>> + Send>>;

#[derive(Default)]
pub(crate) struct Acknowledgements {
    awaited: VecDeque<(RequestId, Notice)>,
}

impl Acknowledgements {
    pub(crate) fn expect(&mut self, id: RequestId, notice: PublishNotice) {
        self.awaited.push_back((id, Box::pin(notice.wait_async())));
    }

    pub(crate) fn len(&self) -> usize {
        self.awaited.len()
    }

    /// The next acknowledgement, the oldest request's first: whether a response may follow. Pends for ever while
    /// nothing is awaited. Cancel safe.
    pub(crate) async fn next(&mut self) -> (RequestId, Result<(), Error>) {
        if self.awaited.is_empty() {
            return pending().await;
        }
        poll_fn(|context| {
            let mut ready = None;
            for (index, (id, notice)) in self.awaited.iter_mut().enumerate() {
                if let Poll::Ready(notice) = notice.as_mut().poll(context) {
                    ready = Some((index, *id, result(notice)));
                    break;
                }
            }
            match ready {
                Some((index, id, result)) => {
                    drop(self.awaited.remove(index));
                    Poll::Ready((id, result))
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// The MQTT client's own reasons to give a request up all come from a session that is gone, where it gives any.
fn result(notice: Result<PublishResult, PublishNoticeError>) -> Result<(), Error> {
    let Ok(PublishResult::Qos1(acknowledgement)) = notice else { return Err(Error::SessionLost) };
    match acknowledgement.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
        PubAckReason::UnspecifiedError => Err(RejectReason::UnspecifiedError),
        PubAckReason::ImplementationSpecificError => Err(RejectReason::ImplementationSpecificError),
        PubAckReason::NotAuthorized => Err(RejectReason::NotAuthorized),
        PubAckReason::TopicNameInvalid => Err(RejectReason::TopicNameInvalid),
        PubAckReason::PacketIdentifierInUse => Err(RejectReason::PacketIdentifierInUse),
        PubAckReason::QuotaExceeded => Err(RejectReason::QuotaExceeded),
        PubAckReason::PayloadFormatInvalid => Err(RejectReason::PayloadFormatInvalid),
    }
    .map_err(Error::Rejected)
}
