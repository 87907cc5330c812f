//! The store's answers: what a client reads of a response, and whether it fits the request.
//!
//! Never judges values: that is what the simulator's checkers are for.

use mayfly_sim::history::{Call, Condition};
use mayfly_wire::resp3::{Reply, Resp3Error};
use mayfly_wire::{Hlc, Publish};

/// `__stat` of every response.
const STATUS: &str = "200";

/// A message on the client's response topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The Correlation Data, if it is one that [`Client::request`](crate::client::Client::request) gives.
    pub correlation: Option<u128>,
    /// `__stat`.
    pub status: Option<&'a str>,
    /// `__ts`.
    pub version: Option<&'a str>,
    /// The payload.
    pub reply: Result<Reply<'a>, Resp3Error>,
}

/// Why a response is no answer to the request that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongAnswer {
    /// The payload is no reply.
    #[error("{verb} was answered with a malformed payload: {error}")]
    Malformed {
        /// What was asked.
        verb: &'static str,
        /// What is wrong with the payload.
        error: Resp3Error,
    },
    /// `__stat` is absent or not 200.
    #[error("{verb} was answered with the status {status:?}, not \"200\"")]
    Status {
        /// What was asked.
        verb: &'static str,
        /// What was said.
        status: Option<String>,
    },
    /// `-ERR`
    #[error("{verb} was answered with an error: {text}")]
    Error {
        /// What was asked.
        verb: &'static str,
        /// The store's text.
        text: String,
    },
    /// A well-formed reply, but none that this request can have.
    #[error("{verb} was answered with {reply}, which answers another question")]
    Unfitting {
        /// What was asked.
        verb: &'static str,
        /// What was answered.
        reply: String,
    },
    /// `__ts` is malformed, absent where the key has a version, or present where it has none.
    #[error("{verb} was answered with the version {version:?}, which does not go with its reply")]
    Version {
        /// What was asked.
        verb: &'static str,
        /// What was said.
        version: Option<String>,
    },
}

impl<'a> Response<'a> {
    /// Reads a message on the response topic.
    pub fn read(publish: &Publish<'a>) -> Self {
        let correlation = publish.properties.correlation_data.and_then(|data| data.try_into().ok());
        let (mut status, mut version) = (None, None);
        for (name, value) in publish.properties.user_properties.iter() {
            match name {
                "__stat" => status = Some(value),
                "__ts" => version = Some(value),
                _ => {}
            }
        }
        let reply = Reply::parse(publish.payload);
        Self { correlation: correlation.map(u128::from_be_bytes), status, version, reply }
    }

    /// The reply, if it can answer `call`.
    pub fn answer(&self, call: &Call) -> Result<Reply<'a>, WrongAnswer> {
        let verb = call.verb();
        let reply = self.reply.map_err(|error| WrongAnswer::Malformed { verb, error })?;
        if self.status != Some(STATUS) {
            return Err(WrongAnswer::Status { verb, status: self.status.map(str::to_owned) });
        }
        let has_version = match (call, reply) {
            (_, Reply::Error(text)) => return Err(WrongAnswer::Error { verb, text: text.to_owned() }),
            (Call::Get { .. }, Reply::Blob(_))
            | (Call::Set { .. }, Reply::Ok)
            | (Call::Set { condition: Condition::Nx | Condition::Nex, .. }, Reply::Integer(-1))
            | (Call::Del { .. } | Call::Vdel { .. }, Reply::Integer(1)) => true,
            (Call::Get { .. }, Reply::Null)
            | (Call::Del { .. } | Call::Vdel { .. }, Reply::Integer(0))
            | (Call::Vdel { .. }, Reply::Integer(-1)) => false,
            _ => return Err(WrongAnswer::Unfitting { verb, reply: format!("{reply:?}") }),
        };
        let is_valid = self.version.is_none_or(|text| Hlc::parse(text).is_ok());
        if self.version.is_some() != has_version || !is_valid {
            return Err(WrongAnswer::Version { verb, version: self.version.map(str::to_owned) });
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response<'a>(payload: &'a [u8], version: Option<&'a str>) -> Response<'a> {
        Response { correlation: Some(1), status: Some("200"), version, reply: Reply::parse(payload) }
    }

    fn get() -> Call {
        Call::Get { key: b"k".to_vec() }
    }

    fn set(condition: Condition) -> Call {
        Call::Set { key: b"k".to_vec(), value: b"v".to_vec(), condition, px_ms: None }
    }

    #[test]
    fn a_fitting_answer_is_taken() {
        let version = Some("000000000000001:00000:StateStore");
        assert_eq!(response(b"$1\r\nv\r\n", version).answer(&get()), Ok(Reply::Blob(b"v")));
        assert_eq!(response(b"$-1\r\n", None).answer(&get()), Ok(Reply::Null));
        assert_eq!(response(b"+OK\r\n", version).answer(&set(Condition::None)), Ok(Reply::Ok));
        assert_eq!(response(b":-1\r\n", version).answer(&set(Condition::Nx)), Ok(Reply::Integer(-1)));
    }

    #[test]
    fn a_wrong_answer_is_named() {
        let version = Some("000000000000001:00000:StateStore");
        let wrong = |response: Response<'_>, call: Call| response.answer(&call).expect_err("a wrong answer");
        assert!(matches!(wrong(response(b"$1\r\nvv\r\n", version), get()), WrongAnswer::Malformed { .. }));
        assert!(matches!(wrong(response(b"-ERR syntax error\r\n", None), get()), WrongAnswer::Error { .. }));
        assert!(matches!(wrong(response(b"+OK\r\n", version), get()), WrongAnswer::Unfitting { .. }));
        let refused_without_condition = wrong(response(b":-1\r\n", version), set(Condition::None));
        assert!(matches!(refused_without_condition, WrongAnswer::Unfitting { .. }));
        assert!(matches!(wrong(response(b"$1\r\nv\r\n", None), get()), WrongAnswer::Version { .. }));
        assert!(matches!(wrong(response(b"$-1\r\n", version), get()), WrongAnswer::Version { .. }));
        assert!(matches!(wrong(response(b"$1\r\nv\r\n", Some("1:2")), get()), WrongAnswer::Version { .. }));
        let failed = Response { status: Some("500"), ..response(b"$1\r\nv\r\n", version) };
        assert!(matches!(wrong(failed, get()), WrongAnswer::Status { .. }));
    }
}
