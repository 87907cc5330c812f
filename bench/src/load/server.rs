//! `mayfly serve` as a process: started with a configuration of the load's own, looked at from outside, killed at the end.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use mayfly_core::Monotonic;
use mayfly_net::{Clock, SystemClock};

use super::{LoadError, PATIENCE, during};

/// How often a figure is looked at that is to reach a value.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the program comes from. Made by cargo it is never older than its sources.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// The program `mayfly` beside this one, which cargo builds first if it runs this one; or another one.
    pub fn find(given: Option<PathBuf>) -> Result<Self, LoadError> {
        if let Some(path) = given {
            return Ok(Self(path));
        }
        if let Some(cargo) = env::var_os("CARGO") {
            let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--package", "mayfly", "--bin", "mayfly", "--profile", profile]);
            let status = build.status().map_err(during("cannot build the server"))?;
            if !status.success() {
                return Err(LoadError::Server("the server cannot be built".to_owned()));
            }
        }
        let this = env::current_exe().map_err(during("cannot find this program"))?;
        let path = this.with_file_name(format!("mayfly{}", env::consts::EXE_SUFFIX));
        if !path.exists() {
            return Err(LoadError::Server(format!(
                "there is no {}: build it with `cargo build --release --package mayfly`, or name another with --server",
                path.display()
            )));
        }
        Ok(Self(path))
    }
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: SocketAddr,
    http: SocketAddr,
    /// Where its files are; removed with it.
    folder: PathBuf,
    /// What it still might say would fail it if nobody could hear it.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on free ports of the loopback interface. `options` are further lines of its configuration: of its one
    /// listener, then further tables. `files` are put where its paths begin.
    pub fn start(program: &Program, options: &str, files: &[(&str, &str)]) -> Result<Self, LoadError> {
        let folder = env::temp_dir().join(format!("mayfly-load-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(during("cannot make a folder for the server's files"))?;
        let config = folder.join("mayfly.toml");
        let text = format!(
            "[log]\nlevel = \"warn\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [[listeners]]\nname = \"load\"\nlisten = \"127.0.0.1:0\"\n{options}"
        );
        for (name, text) in files.iter().copied().chain([("mayfly.toml", text.as_str())]) {
            fs::write(folder.join(name), text).map_err(during("cannot write the server's files"))?;
        }
        let mut serve = Command::new(&program.0);
        serve.arg("serve").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = serve.spawn().map_err(during("cannot start the server"))?;
        let Some(output) = process.stdout.take() else { unreachable!("it was asked for") };
        let mut output = BufReader::new(output);
        let Some((address, http)) = addresses(&mut output) else {
            let _ = process.kill();
            let _ = process.wait();
            let _ = fs::remove_dir_all(&folder);
            return Err(LoadError::Server("the server did not start; what it says stands above".to_owned()));
        };
        Ok(Self { process, address, http, folder, _output: output })
    }

    /// Where its clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its memory that is in RAM, in bytes, without what the kernel holds for it.
    pub fn resident(&self) -> Result<u64, LoadError> {
        // `status` has it too, but of many threads' counts only nearly.
        memory_of(self.process.id(), "smaps_rollup", "Rss:")
    }

    /// The most memory that was ever in RAM, in bytes.
    pub fn peak_resident(&self) -> Result<u64, LoadError> {
        memory_of(self.process.id(), "status", "VmHWM:")
    }

    /// One of its metrics, without the prefix `mayfly_`, with its labels.
    pub fn metric(&self, name: &str) -> Result<u64, LoadError> {
        let mut stream = TcpStream::connect(self.http).map_err(during("cannot ask for metrics"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(during("cannot ask for metrics"))?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).map_err(during("cannot ask for metrics"))?;
        let mut page = String::new();
        stream.read_to_string(&mut page).map_err(during("cannot read the metrics"))?;
        metric(&page, name).ok_or_else(|| LoadError::Server(format!("the server has no metric {name}")))
    }

    /// Waits until a metric has a value. Returns the last one if it does not get there within `patience`.
    pub fn await_metric(&self, name: &str, wanted: u64, patience: Duration) -> Result<u64, LoadError> {
        let clock = SystemClock::start();
        loop {
            let value = self.metric(name)?;
            if value == wanted || clock.now().monotonic > Monotonic::ZERO.after(patience) {
                return Ok(value);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where a starting server says that it listens, and that it serves metrics.
fn addresses(output: &mut impl BufRead) -> Option<(SocketAddr, SocketAddr)> {
    let (mut listens, mut line) = (None, String::new());
    loop {
        line.clear();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(rest) = line.strip_prefix("mayfly listens on ") {
            listens = rest.split(' ').next()?.parse().ok();
        } else if let Some(rest) = line.strip_prefix("mayfly serves metrics on http://") {
            return Some((listens?, rest.split('/').next()?.parse().ok()?));
        }
    }
}

/// Bytes that a file of `/proc` tells of a process.
pub(super) fn memory_of(process: u32, file: &str, field: &str) -> Result<u64, LoadError> {
    let path = format!("/proc/{process}/{file}");
    let text = fs::read_to_string(&path).map_err(during("cannot read a server's memory"))?;
    kibibytes(&text, field)
        .map(|count| count * 1024)
        .ok_or_else(|| LoadError::Server(format!("{path} has no {field}")))
}

/// A count of kibibytes in a file of `/proc`.
fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The value of one metric.
fn metric(page: &str, name: &str) -> Option<u64> {
    page.lines().find_map(|line| {
        let (found, value) = line.strip_prefix("mayfly_")?.rsplit_once(' ')?;
        if found == name { value.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_read() {
        let mut said =
            "mayfly listens on 127.0.0.1:7 (load)\nmayfly serves metrics on http://127.0.0.1:8/metrics\n"
                .as_bytes();
        let expected = (SocketAddr::from(([127, 0, 0, 1], 7)), SocketAddr::from(([127, 0, 0, 1], 8)));
        assert_eq!(addresses(&mut said), Some(expected));
        assert_eq!(addresses(&mut "mayfly listens on 127.0.0.1:7 (load)\n".as_bytes()), None);
        assert_eq!(kibibytes("VmPeak:\t  20 kB\nVmHWM:\t   12 kB\n", "VmHWM:"), Some(12));
        assert_eq!(kibibytes("VmHWM:\t   12 MB\n", "VmHWM:"), None);
        let page = "# HELP x\nmayfly_sessions 4\nmayfly_dropped_total{cause=\"queue full\"} 17\n";
        assert_eq!(metric(page, "sessions"), Some(4));
        assert_eq!(metric(page, "dropped_total{cause=\"queue full\"}"), Some(17));
        assert_eq!(metric(page, "session"), None);
    }
}
