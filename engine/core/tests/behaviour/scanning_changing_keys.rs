//! The promise of SCAN against a plain model: whatever is set, deleted and expires between the pages, each key that is there
//! during the whole scan is listed, and none that is not there when its page is made.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use mayfly_core::Access;
use mayfly_wire::QoS;
use proptest::prelude::*;

use crate::harness::rules::{everyone, user};
use crate::harness::store::response_topic;
use crate::harness::{Client, World};
use crate::scanning::scan;

/// `r0`, `s0`, `r1`, … of which those with an `s` may not be read.
const KEYS: u8 = 16;

/// So small that a page has two or three keys.
const MAXIMUM_PACKET_SIZE: u32 = 150;

#[derive(Clone, Debug)]
enum Step {
    Set {
        key: u8,
        expiry_ms: Option<u64>,
    },
    Delete {
        key: u8,
    },
    Pass {
        millis: u64,
    },
    /// The next page of the scan, or the first one of a new scan.
    Page,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..KEYS, prop::option::weighted(0.3, 1_u64..40))
            .prop_map(|(key, expiry_ms)| Step::Set { key, expiry_ms }),
        2 => (0..KEYS).prop_map(|key| Step::Delete { key }),
        1 => (0_u64..20).prop_map(|millis| Step::Pass { millis }),
        3 => Just(Step::Page),
    ];
    prop::collection::vec(step, 1..120)
}

fn name(key: u8) -> Vec<u8> {
    format!("{}{}", if key.is_multiple_of(2) { 'r' } else { 's' }, key / 2).into_bytes()
}

/// The keys that are there, with the time at which they end.
#[derive(Default)]
struct Model {
    now_ms: u64,
    keys: BTreeMap<Vec<u8>, Option<u64>>,
    scan: Option<Scan>,
}

/// A scan that has begun.
#[derive(Debug)]
struct Scan {
    token: Option<Vec<u8>>,
    /// Keys that were there all the while.
    always: BTreeSet<Vec<u8>>,
    listed: BTreeSet<Vec<u8>>,
}

impl Model {
    /// Notes what is not there any more.
    fn settle(&mut self) {
        self.keys.retain(|_, ends_ms| ends_ms.is_none_or(|ends_ms| ends_ms > self.now_ms));
        if let Some(scan) = &mut self.scan {
            scan.always.retain(|key| self.keys.contains_key(key));
        }
    }
}

struct Run {
    world: World,
    writer: Client,
    reader: Client,
    model: Model,
    pattern: &'static [u8],
}

impl Run {
    fn new(pattern: &'static [u8]) -> Self {
        let rules = [
            everyone().connect().subscribe(&["clients/#"]),
            user("writer").keys(Access::Write, &["*"]),
            user("reader").keys(Access::Read, &["r*"]),
        ];
        let mut world = World::ruled(rules);
        world.come_as(Some("writer"), &[]);
        let writer = world.store_client("w");
        world.come_as(Some("reader"), &[]);
        let small = |connect: &mut mayfly_wire::Connect<'_>| {
            connect.properties.maximum_packet_size = NonZeroU32::new(MAXIMUM_PACKET_SIZE);
        };
        let reader = world.connect_with("r", small).0;
        world.subscribe(reader, &response_topic(reader), QoS::AtLeastOnce);
        Self { world, writer, reader, model: Model::default(), pattern }
    }

    fn is_listed(&self, key: &[u8]) -> bool {
        // All patterns here are `*` or `?` and a class of digits.
        key[0] == b'r' && (self.pattern == b"*" || matches!(key[1], b'0'..=b'3'))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Set { key, expiry_ms } => {
                let key = name(key);
                let millis = expiry_ms.map(|millis| millis.to_string());
                let mut items = vec![&b"SET"[..], &key, b"v"];
                items.extend(millis.iter().flat_map(|millis| [&b"PX"[..], millis.as_bytes()]));
                prop_assert_eq!(self.world.reply(self.writer, &items), "+OK\r\n");
                self.model.keys.insert(key, expiry_ms.map(|millis| self.model.now_ms + millis));
            }
            Step::Delete { key } => {
                let key = name(key);
                self.world.reply(self.writer, &[b"DEL", &key]);
                self.model.keys.remove(&key);
            }
            Step::Pass { millis } => {
                self.world.advance(Duration::from_millis(millis));
                self.model.now_ms += millis;
            }
            Step::Page => return self.page(),
        }
        self.model.settle();
        Ok(())
    }

    fn page(&mut self) -> Result<(), TestCaseError> {
        let mut running = self.model.scan.take().unwrap_or_else(|| Scan {
            token: None,
            always: self.model.keys.keys().cloned().collect(),
            listed: BTreeSet::new(),
        });
        let page = scan(&mut self.world, self.reader, self.pattern, running.token.as_deref());
        let (keys, token) = page.map_err(TestCaseError::fail)?;
        for key in keys {
            prop_assert!(self.model.keys.contains_key(&key), "{:?} is not there", key);
            prop_assert!(self.is_listed(&key), "{:?} may not be listed", key);
            running.listed.insert(key);
        }
        if token.is_some() {
            self.model.scan = Some(Scan { token, ..running });
            return Ok(());
        }
        let missed: Vec<_> = running.always.difference(&running.listed).collect();
        prop_assert!(!missed.iter().any(|key| self.is_listed(key)), "{:?} of {:?}", missed, running);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_is_there_all_the_while_is_listed(
        steps in steps(),
        pattern in prop::sample::select(vec![&b"*"[..], b"?[0-3]"]),
    ) {
        let mut run = Run::new(pattern);
        for step in &steps {
            run.step(step)?;
        }
        let mut pages = 0;
        while run.model.scan.is_some() {
            run.page()?;
            pages += 1;
            prop_assert!(pages <= usize::from(KEYS) + 1, "a scan of keys that stay ends");
        }
    }
}
