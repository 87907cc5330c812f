//! `redis-server` as a process of its own, where it is installed: started on a free port of the loopback interface with an
//! empty store that no file keeps, asked over one connection, killed at the end.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::server::memory_of;
use super::{LoadError, PATIENCE, during};

/// A port that is free may be taken before Redis listens there: then it is another one's turn.
const TRIES: u32 = 5;
/// How often it is asked whether it listens by now, and how long it sleeps in between.
const LOOKS: u32 = 500;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running Redis. Dropped, it is killed.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    stream: BufReader<TcpStream>,
    /// What is to be written.
    outgoing: Vec<u8>,
}

/// Killed where it is dropped, and so where a start fails halfway.
#[derive(Debug)]
struct Process(Child);

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// `:n`.
    Number(i64),
    /// A value; `None` where there is none.
    Value(Option<Vec<u8>>),
    /// `-` and a text.
    Error(String),
}

impl Redis {
    /// What to say where it is not installed.
    pub const HINT: &str = "redis-server is not installed: apt-get install redis-server";

    /// Starts a Redis. `None`: it is not installed.
    pub fn start() -> Result<Option<Self>, LoadError> {
        for _ in 0..TRIES {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(during("cannot find a free port"))?;
            let port = listener.local_addr().map_err(during("cannot find a free port"))?.port();
            drop(listener);
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
            command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let process = match command.spawn() {
                Ok(process) => Process(process),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(during("cannot start redis-server")(error)),
            };
            if let Some(redis) = Self::connect(process, port)? {
                return Ok(Some(redis));
            }
        }
        Err(LoadError::Server(format!("redis-server did not start on {TRIES} ports that were free")))
    }

    /// Connects as soon as it listens. `None`: it has ended, or somebody else listens there.
    fn connect(mut process: Process, port: u16) -> Result<Option<Self>, LoadError> {
        for _ in 0..LOOKS {
            let ended = process.0.try_wait().map_err(during("cannot ask for redis-server"))?;
            if ended.is_some() {
                return Ok(None);
            }
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                stream.set_nodelay(true).map_err(during("cannot set up a socket"))?;
                stream.set_read_timeout(Some(PATIENCE)).map_err(during("cannot set up a socket"))?;
                let mut redis = Self { process, stream: BufReader::new(stream), outgoing: Vec::new() };
                // Who took the port in between may say anything.
                let is_own = redis.info("process_id").is_ok_and(|id| id == u64::from(redis.process.0.id()));
                return Ok(is_own.then_some(redis));
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(LoadError::Server("redis-server does not listen".to_owned()))
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, items: &[&[u8]]) -> Result<Reply, LoadError> {
        self.send(items)?;
        self.receive()
    }

    /// Asks; the answer comes in its turn.
    pub fn send(&mut self, items: &[&[u8]]) -> Result<(), LoadError> {
        write!(self.outgoing, "*{}\r\n", items.len()).map_err(during("cannot write a request"))?;
        for item in items {
            write!(self.outgoing, "${}\r\n", item.len()).map_err(during("cannot write a request"))?;
            self.outgoing.extend_from_slice(item);
            self.outgoing.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// The next answer.
    pub fn receive(&mut self) -> Result<Reply, LoadError> {
        self.stream.get_mut().write_all(&self.outgoing).map_err(during("cannot write to redis-server"))?;
        self.outgoing.clear();
        let line = self.line()?;
        let malformed = || LoadError::Server(format!("redis-server answers {line:?}"));
        let (sign, rest) = line.split_at_checked(1).ok_or_else(malformed)?;
        match sign {
            "+" => Ok(Reply::Ok),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => rest.parse().map(Reply::Number).map_err(|_| malformed()),
            "$" if rest == "-1" => Ok(Reply::Value(None)),
            "$" => {
                let len: usize = rest.parse().map_err(|_| malformed())?;
                let mut value = vec![0; len + 2];
                self.stream.read_exact(&mut value).map_err(during("cannot read from redis-server"))?;
                value.truncate(len);
                Ok(Reply::Value(Some(value)))
            }
            _ => Err(malformed()),
        }
    }

    /// Its memory that is in RAM, in bytes.
    pub fn resident(&self) -> Result<u64, LoadError> {
        memory_of(self.process.0.id(), "smaps_rollup", "Rss:")
    }

    /// What its allocator gave it, in bytes.
    pub fn used_memory(&mut self) -> Result<u64, LoadError> {
        self.info("used_memory")
    }

    /// A figure that it tells about itself.
    fn info(&mut self, name: &str) -> Result<u64, LoadError> {
        let missing = || LoadError::Server(format!("redis-server does not tell its {name}"));
        let Reply::Value(Some(text)) = self.ask(&[b"INFO"])? else { return Err(missing()) };
        let text = String::from_utf8_lossy(&text);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).ok_or_else(missing)
    }

    fn line(&mut self) -> Result<String, LoadError> {
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(during("cannot read from redis-server"))?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or(LoadError::Closed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    /// Its port was taken when it came to listen.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the one who listens there needs a thread")]
    fn another_one_on_the_port_is_no_failure_whatever_it_says() {
        for answer in
            ["HTTP/1.1 400 Bad Request\r\n\r\n", "-NOAUTH Authentication required.\r\n", "+OK\r\n", ""]
        {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let stranger = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 100]);
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let process = Process(Command::new("sleep").arg("60").spawn().unwrap());
            assert!(Redis::connect(process, port).unwrap().is_none(), "{answer:?}");
            stranger.join().unwrap();
        }
    }
}
