//! A page in a tab: opened, looked at, clicked on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::LOOK;
use super::chromium::Chromium;

/// How a reader has the page before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    /// The width of the window in pixels.
    pub(crate) width: u32,
    /// Whether the system's colours are dark.
    pub(crate) is_dark: bool,
}

/// A wide window and a phone, light and dark.
pub(crate) const READERS: [Reader; 4] = [
    Reader { width: 1280, is_dark: false },
    Reader { width: 1280, is_dark: true },
    Reader { width: 390, is_dark: false },
    Reader { width: 390, is_dark: true },
];

/// Records what moves after it was painted.
const WATCH_SHIFTS: &str = "window.shifted = []; new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    const nodes = sources.map(({ node }) => (node?.outerHTML ?? node?.textContent ?? '').slice(0, 60));
    window.shifted.push(`${value}: ${nodes.join('; ')}`);
  }
}).observe({ type: 'layout-shift', buffered: true });";

/// A page before a reader.
pub(crate) struct Tab {
    chromium: Chromium,
    session: String,
    _folder: TempDir,
}

impl Tab {
    /// Opens a page; `None` where there is no browser. `is_ready` is true, to the page's script, once it is complete.
    pub(crate) fn open(page: &str, reader: Reader, is_ready: &str) -> Option<Self> {
        let mut chromium = Chromium::start(reader.width)?;
        let folder = TempDir::new().unwrap();
        let file: PathBuf = folder.path().join("page.html");
        std::fs::write(&file, page).unwrap();
        let target = chromium.call("", "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session =
            chromium.call("", "Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        let mut tab = Self { chromium, session, _folder: folder };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        let metrics = json!({
            "width": reader.width, "height": 900, "deviceScaleFactor": 1, "mobile": reader.width < 600,
        });
        tab.call("Emulation.setDeviceMetricsOverride", metrics);
        tab.set_dark(reader.is_dark);
        tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH_SHIFTS }));
        tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": LOOK }));
        tab.chromium.events.clear();
        tab.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        tab.chromium.wait_for("Page.loadEventFired");
        tab.wait_until(is_ready);
        Some(tab)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let session = self.session.clone();
        self.chromium.call(&session, method, parameters)
    }

    /// Sets the system's colours.
    pub(crate) fn set_dark(&mut self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The value of an expression in the page; a promise's, once it has one.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The same as text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// The same as a number.
    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        let value = self.eval(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.eval(&format!("Boolean({expression})")) != json!(true) {
            assert!(Instant::now() < deadline, "it never came true: {expression}; {:?}", self.complaints());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until what was changed has been drawn.
    pub(crate) fn drawn(&mut self) {
        let frames =
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";
        self.eval(frames);
    }

    /// Clicks in the middle of an element, after scrolling to it.
    pub(crate) fn click(&mut self, selector: &str) {
        let (x, y) = self.place(selector, 0.5, 0.5);
        self.mouse("mousePressed", x, y, 1);
        self.mouse("mouseReleased", x, y, 0);
        self.drawn();
    }

    /// A place in an element, by fractions of its width and height, after scrolling to it.
    pub(crate) fn place(&mut self, selector: &str, across: f64, down: f64) -> (f64, f64) {
        let find = format!(
            "(() => {{ const found = document.querySelector({selector:?}); found.scrollIntoView({{ block: 'center' }}); \
             const box = found.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})()"
        );
        let found = self.eval(&find);
        let side = |index: usize| found[index].as_f64().unwrap();
        (side(0) + side(2) * across, side(1) + side(3) * down)
    }

    /// A mouse event; `buttons` is 1 while the left one is down.
    pub(crate) fn mouse(&mut self, kind: &str, x: f64, y: f64, buttons: u32) {
        let button = if kind == "mouseMoved" && buttons == 0 { "none" } else { "left" };
        let event = json!({
            "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1,
        });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Presses a key.
    pub(crate) fn key(&mut self, key: &str) {
        let text = if key.len() == 1 { key } else { "" };
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": key, "text": text }));
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        self.drawn();
    }

    /// What the browser found wrong with the page, and every request beyond the page itself.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.eval("1"); // So that every event up to now has arrived.
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                // The tests themselves read canvases back.
                "Log.entryAdded" if event.to_string().contains("willReadFrequently") => None,
                "Runtime.exceptionThrown" | "Log.entryAdded" => Some(event.to_string()),
                "Runtime.consoleAPICalled"
                    if parameters["type"] == "error" || parameters["type"] == "warning" =>
                {
                    Some(event.to_string())
                }
                "Network.requestWillBeSent" if parameters["type"] != "Document" => {
                    Some(format!("it asks for {}", parameters["request"]["url"]))
                }
                _ => None,
            }
        };
        self.chromium.events.iter().filter_map(complaint).collect()
    }

    /// A picture of the whole page, to look at: into the folder that `MAYFLY_SCREENSHOTS` names, if it names one.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("MAYFLY_SCREENSHOTS") else { return };
        let picture = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), bytes).unwrap();
    }
}
