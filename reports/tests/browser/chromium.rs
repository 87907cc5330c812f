//! A headless Chromium of a test's own: found, started, spoken to through the `DevTools` protocol, and killed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// What the programs are called.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long the browser may take for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser that ends with its owner.
pub(crate) struct Chromium {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    /// Events that nobody has looked at.
    pub(crate) events: VecDeque<Value>,
    /// Its settings and caches, removed with it.
    _profile: TempDir,
}

impl Chromium {
    /// Starts one with windows of this width in pixels. Where none is installed: says so and gives `None`, and fails under CI.
    pub(crate) fn start(width: u32) -> Option<Self> {
        let Some(program) = find() else {
            let remedy = "no Chromium is installed; apt-get install chromium";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{remedy}");
            // Past the harness, which shows nothing that a test prints that passes.
            let _ = writeln!(std::io::stderr(), "skipped a test of the pages: {remedy}");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut command = Command::new(program);
        command
            .args(["--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu"])
            .args(["--disable-extensions", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--mute-audio", "--force-device-scale-factor=1", "--hide-scrollbars"])
            .arg(format!("--window-size={width},900"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if is_root() {
            // Chromium refuses to run with its sandbox as root.
            command.args(["--no-sandbox", "--disable-dev-shm-usage"]);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let announced = lines.find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned));
        let Some(address) = announced else {
            let _ = process.kill();
            let _ = process.wait();
            panic!("Chromium ended before it listened");
        };
        // What it writes from now on is read and dropped, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = tungstenite::connect(address.as_str()).unwrap();
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        Some(Self { process, socket, last_id: 0, events: VecDeque::new(), _profile: profile })
    }

    /// Sends a command and gives its result; `session` is a tab's, or empty for the browser.
    pub(crate) fn call(&mut self, session: &str, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": parameters });
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == self.last_id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    /// Waits for an event of this name.
    pub(crate) fn wait_for(&mut self, method: &str) {
        let deadline = Instant::now() + PATIENCE;
        if self.events.iter().any(|event| event["method"] == method) {
            return;
        }
        loop {
            assert!(Instant::now() < deadline, "no {method}");
            let event = self.receive();
            let is_it = event["method"] == method;
            self.events.push_back(event);
            if is_it {
                return;
            }
        }
    }

    fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked first, so that its own children end too.
        let close = json!({ "id": 0, "method": "Browser.close" });
        let _ = self.socket.send(Message::text(close.to_string()));
        for _ in 0..100 {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// Whether this process is root's, by the owner of what it makes.
fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        TempDir::new().and_then(|folder| folder.path().metadata()).is_ok_and(|folder| folder.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}
