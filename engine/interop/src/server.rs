//! `mayfly serve` as a process, with a configuration of the test's own. Killed when it is dropped.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Ended,
    /// What it still might say would fail it if nobody could hear it.
    _output: BufReader<ChildStdout>,
    options: String,
    folder: TempDir,
}

impl Server {
    /// Starts a server on a free port of the loopback interface, for anybody.
    pub fn start() -> Self {
        Self::start_with("", &[])
    }

    /// Starts a server. `options` are further lines of its configuration: of its one listener, then further tables. `files` are
    /// put where its paths begin.
    pub fn start_with(options: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server's files");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("the server's files can be written");
        }
        Self::start_in(folder, "127.0.0.1:0", options.to_owned())
    }

    /// Kills the server, and starts it again on the same port. All that it held was in memory.
    #[must_use = "dropped, it ends"]
    pub fn restart(self) -> Self {
        let Self { address, process, options, folder, .. } = self;
        drop(process);
        Self::start_in(folder, &address.to_string(), options)
    }

    fn start_in(folder: TempDir, listen: &str, options: String) -> Self {
        let config = folder.path().join("mayfly.toml");
        let text = format!(
            "[log]\nlevel = \"warn\"\n[[listeners]]\nname = \"interop\"\nlisten = \"{listen}\"\n{options}"
        );
        fs::write(&config, text).expect("the server's files can be written");
        let mut process = Ended(
            Command::new(program())
                .arg("serve")
                .arg("--config")
                .arg(&config)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the server can be started"),
        );
        let mut output = BufReader::new(process.0.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the server says where it listens");
        let address = line.strip_prefix("mayfly listens on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the server says `{line}`, not where it listens"));
        Self { address, process, _output: output, options, folder }
    }
}

/// A process that ends with its value.
#[derive(Debug)]
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program `mayfly`: that which `MAYFLY_BINARY` names, or that beside the tests, which cargo builds first.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("MAYFLY_BINARY") {
            return path.into();
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "mayfly", "--bin", "mayfly"]);
        assert!(build.status().expect("cargo runs").success(), "the server can't be built");
        let tests = env::current_exe().expect("a test knows its path");
        let folder = tests.parent().and_then(|folder| folder.parent()).expect("cargo puts it into deps");
        folder.join(format!("mayfly{}", env::consts::EXE_SUFFIX))
    })
}
