//! SCAN over MQTT: pages of keys that match a glob and that the client may read.
//!
//! A page is one response. What it takes to make it is bounded by constants: the slots and keys that are looked at
//! ([`store`](crate::store)), the steps of matching, and the bytes. Where one of them is reached the page ends, and may well
//! be empty; the token that comes with it says where to go on.

use std::ops::ControlFlow;

use mayfly_wire::PacketId;
use mayfly_wire::resp3::{BlobList, encoded_blob_len};

use super::Broker;
use super::messages::MAX_IDENTIFIER_LEN;
use super::state_store::{MAX_FRAMING, Request};
use crate::authorization::{Operation, Pieces, Principal};
use crate::store::{Command, Outcome, ScanToken, ServiceError};

/// The keys of a page take no more bytes than this, unless there is only one: a page that waits at the bound of memory is to
/// be within what may wait there.
const MAX_PAGE_BYTES: usize = 32 * 1024;

/// The longest pattern in bytes. While a page is made, a parsed one takes some 50 bytes for each.
const MAX_PATTERN_LEN: usize = 64 * 1024;

/// What a response has beside its topic, correlation data and keys is no longer than this, in bytes: headers (18), `__stat`
/// (14), the length of the correlation data (3), and what stands around the keys.
const RESPONSE_FRAMING: usize = 18 + 14 + 3 + MAX_FRAMING;

/// What matching the keys of a page may take: a step is to look at a byte, or at some bytes of a literal. Some milliseconds
/// together, for patterns and keys that are made for it.
const MAX_STEPS_PER_PAGE: usize = 1024 * 1024;

/// What a page may take.
struct Budget {
    /// Of the page's keys, as they are written.
    page_bytes: usize,
    /// Of a page with one key: what the client takes.
    response_bytes: usize,
    steps: usize,
}

impl Broker {
    pub(super) fn scan(
        &mut self,
        request: &Request<'_>,
        packet_id: Option<PacketId>,
        (pattern, token): (&[u8], Option<&[u8]>),
    ) {
        let command = Command::Scan { pattern, token };
        if !self.may_read(request, packet_id, &command) {
            return;
        }
        let mut page = BlobList::default();
        let scanned = match self.context(request) {
            Ok(_) => self.gather(request, (pattern, token), &mut page),
            Err(error) => Err(error),
        };
        let next = scanned.map(|next| next.map(ScanToken::to_bytes));
        let outcome = match &next {
            Ok(next) => Outcome::Page(page.as_blobs(), next.as_ref().map(<[u8; _]>::as_slice)),
            Err(error) => Outcome::Failed(*error),
        };
        self.respond_first(request, &command, outcome);
    }

    /// Gathers a page and says where the next one begins.
    fn gather(
        &mut self,
        request: &Request<'_>,
        (pattern, token): (&[u8], Option<&[u8]>),
        page: &mut BlobList,
    ) -> Result<Option<ScanToken>, ServiceError> {
        if pattern.len() > MAX_PATTERN_LEN {
            return Err(ServiceError::PatternTooLong);
        }
        let glob = Pieces::of_request(pattern).map_err(|_| ServiceError::Syntax)?;
        let response_bytes = self.room_for_keys(request);
        let page_bytes = MAX_PAGE_BYTES.min(response_bytes);
        let mut left = Budget { page_bytes, response_bytes, steps: MAX_STEPS_PER_PAGE };
        let session = request.requester;
        let rules = self.readable_patterns(session);
        let mut is_first = true;
        let look = |key: &[u8]| {
            let is_alone = std::mem::replace(&mut is_first, false);
            match glob.matches_within(key, Principal::default(), &mut left.steps) {
                Some(false) => return ControlFlow::Continue(()),
                Some(true) => {}
                // The next page has steps enough, unless this one had them all.
                None if !is_alone => return ControlFlow::Break(Ok(())),
                None => return ControlFlow::Break(Err(ServiceError::PatternTooComplex)),
            }
            if let Some(patterns) = rules {
                left.steps = left.steps.saturating_sub(patterns * (1 + key.len()));
                if !self.may(session, Operation::Read(key)) {
                    return ControlFlow::Continue(());
                }
            }
            let len = encoded_blob_len(key.len());
            if page.as_blobs().is_empty() {
                if len > left.response_bytes {
                    return ControlFlow::Break(Err(ServiceError::KeyTooLongToList));
                }
            } else if page.as_blobs().encoded_len() + len > left.page_bytes {
                return ControlFlow::Break(Ok(()));
            }
            page.push(key);
            ControlFlow::Continue(())
        };
        self.store.scan(self.now, token, look)
    }

    /// What the keys of a page may take, so that its response is within the Maximum Packet Size of the client that asked
    /// [MQTT-3.1.2-24].
    fn room_for_keys(&mut self, request: &Request<'_>) -> usize {
        let Request { requester, response_topic, correlation_data, .. } = *request;
        self.subscriptions.find(response_topic, None, &mut self.matches);
        let receiver = self.matches.receivers.iter().find(|receiver| receiver.session == requester);
        // A shared subscription brings a message of its own, with one.
        let identifiers = receiver.map_or(0, |receiver| self.matches.identifiers(receiver).len()).max(1);
        let beside = response_topic.len() + correlation_data.len() + identifiers * MAX_IDENTIFIER_LEN;
        let connection = self.sessions[requester.index()].connection.as_ref();
        let maximum = connection.map_or(usize::MAX, |connection| connection.maximum_packet_size);
        maximum.saturating_sub(RESPONSE_FRAMING + beside)
    }
}
