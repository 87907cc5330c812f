//! Random programs from a seed: few keys, values and moments, so that they meet; clocks near the bounds that the protocol
//! sets.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::program::{Asked, CLIENTS, Operation, Program, START_MS, Token, WIDE};
use crate::state_store::Quotas;

const KEYS: [&[u8]; 6] = [b"k", b"k", b"l", b"m", b"key-of-more-bytes", b"\x00\xFF\r\n"];
const VALUES: [&[u8]; 5] = [b"v", b"v", b"w", b"", b"a value that is longer than the others"];
const EXPIRIES: [&str; 9] =
    ["1", "20", "20", "100", "1500.5", "0.2", "2000", "60000", "18446744073709551615"];
const PATTERNS: [&[u8]; 13] = [
    b"*",
    b"k*",
    b"?",
    b"?*",
    b"*-*",
    b"l",
    b"[k-l]",
    b"[!k]*",
    b"[^l-z]",
    b"*[\n]",
    b"[\x00-\x1f]*",
    b"[m-k]",
    b"k[",
];
/// No commands, or none that does anything.
const STRANGE: [&[&[u8]]; 16] = [
    &[b"set", b"k", b"v"],
    &[b"MGET", b"k"],
    &[b"GET"],
    &[b"GET", b"k", b"l"],
    &[b"SET", b"k"],
    &[b"SET", b"k", b"v", b"NX", b"NEX"],
    &[b"SET", b"k", b"v", b"PX"],
    &[b"SET", b"k", b"v", b"PX", b"0"],
    &[b"SET", b"k", b"v", b"PX", b"-1"],
    &[b"SET", b"k", b"v", b"PX", b"1.x"],
    &[b"SET", b"k", b"v", b"nx"],
    &[b"SET", b"", b"v"],
    &[b"DEL", b""],
    &[b"VDEL", b"k"],
    &[b"KEYNOTIFY", b"k", b"stop"],
    &[],
];
/// How far a client's clock is ahead of the server's, in milliseconds.
const SKEWS_MS: [i64; 14] = [0, 0, 0, 0, 0, 0, -5, 5, 5, 1000, -100_000, 59_999, 60_000, 60_001];
const STEPS_MS: [i64; 6] = [1, -1, 500, -1500, 70_000, -3_600_000];

const MIN_OPERATIONS: usize = 5;
const MAX_OPERATIONS: usize = 60;

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut generator = Generator { rng: ChaCha8Rng::seed_from_u64(seed), wall_ms: START_MS };
    let quotas = generator.quotas();
    let len = generator.rng.random_range(MIN_OPERATIONS..=MAX_OPERATIONS);
    let mut operations: Vec<Operation> = Vec::with_capacity(len);
    while operations.len() < len {
        let again = generator.rng.random_range(0..100) < 8 && !operations.is_empty();
        let operation = if again {
            let position = generator.rng.random_range(0..operations.len());
            operations[position].clone()
        } else {
            generator.operation()
        };
        operations.push(operation);
    }
    Program { quotas, operations }
}

struct Generator {
    rng: ChaCha8Rng,
    /// What the server's wall clock shows, nearly.
    wall_ms: u64,
}

impl Generator {
    fn operation(&mut self) -> Operation {
        match self.rng.random_range(0..100) {
            0..8 => Operation::Wait { ms: self.millis() },
            8..12 => Operation::Sleep { ms: self.millis() },
            12..16 => {
                let ms = self.pick(&STEPS_MS);
                self.wall_ms = self.wall_ms.saturating_add_signed(ms);
                Operation::Step { ms }
            }
            16..19 => Operation::Reconnect { client: self.rng.random_range(0..CLIENTS) },
            19..21 => Operation::Limit(self.quotas()),
            _ => Operation::Ask(self.ask()),
        }
    }

    fn ask(&mut self) -> Asked {
        Asked {
            client: self.rng.random_range(0..CLIENTS),
            correlation: self.rng.random(),
            items: self.items().into_iter().map(<[u8]>::to_vec).collect(),
            timestamp: self.timestamp(),
            token: self.token(),
        }
    }

    fn items(&mut self) -> Vec<&'static [u8]> {
        let key = self.pick(&KEYS);
        match self.rng.random_range(0..100) {
            0..46 => self.set(key),
            46..58 => vec![b"GET", key],
            58..67 => vec![b"DEL", key],
            67..75 => vec![b"VDEL", key, self.pick(&VALUES)],
            75..87 => vec![b"KEYNOTIFY", key],
            87..91 => vec![b"KEYNOTIFY", key, b"STOP"],
            91..95 => vec![b"SCAN", self.pick(&PATTERNS)],
            95 => vec![b"SCAN", self.pick(&PATTERNS), b"sixteen bytes it"],
            _ => self.pick(&STRANGE).to_vec(),
        }
    }

    fn set(&mut self, key: &'static [u8]) -> Vec<&'static [u8]> {
        let mut items = vec![&b"SET"[..], key, self.pick(&VALUES)];
        let condition: Option<&'static [u8]> = self.pick(&[None, None, Some(&b"NX"[..]), Some(b"NEX")]);
        let expiry = if self.rng.random_range(0..100) < 45 { Some(self.pick(&EXPIRIES)) } else { None };
        let comes_first = self.rng.random::<bool>();
        if comes_first {
            items.extend(condition);
        }
        if let Some(expiry) = expiry {
            items.extend([&b"PX"[..], expiry.as_bytes()]);
        }
        if !comes_first {
            items.extend(condition);
        }
        items
    }

    fn timestamp(&mut self) -> Option<String> {
        match self.rng.random_range(0..100) {
            0..3 => None,
            3..5 => {
                Some((self.pick(&["x", "1:2", "1:2:", "1:2:a:b", "1:2147483647:c", "-1:0:c"])).to_owned())
            }
            5 => Some(format!("{}:2147483646:c", self.wall_ms)),
            _ => Some(self.clock("c")),
        }
    }

    fn token(&mut self) -> Option<Token> {
        match self.rng.random_range(0..100) {
            0..72 => None,
            72..80 => Some(Token::LastVersion),
            80 => Some(Token::Text("1:2".to_owned())),
            81..91 => {
                let node_id = self.pick(&["lock", "a lock of a longer name"]);
                Some(Token::Text(format!("{}:0:{node_id}", self.rng.random_range(1..4))))
            }
            _ => Some(Token::Text(self.clock("lock"))),
        }
    }

    fn clock(&mut self, node_id: &str) -> String {
        let skew_ms = self.pick(&SKEWS_MS);
        let counter = self.rng.random_range(0..3);
        format!("{}:{counter}:{node_id}", self.wall_ms.saturating_add_signed(skew_ms))
    }

    fn millis(&mut self) -> u64 {
        let ms = self.pick(&[1, 19, 20, 50, 100, 1000, 1501, 3000]);
        self.wall_ms += ms;
        ms
    }

    fn quotas(&mut self) -> Quotas {
        if self.rng.random_range(0..100) < 65 {
            return WIDE;
        }
        Quotas {
            keys: self.pick(&[1, 2, 3, 1000, 1000]),
            bytes: self.pick(&[0, 180, 300, 500, 1 << 40, 1 << 40]),
            watched: self.pick(&[1, 2, 1000]),
        }
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.random_range(0..choices.len())]
    }
}
