//! The page of a run.

use mayfly_reports::{Outcome, RunReport, html};

use super::tab::{Reader, Tab};
use super::{READERS, assert_readable, fixture};

const WIDE: Reader = Reader { width: 1280, is_dark: false };

/// True once the operations are drawn.
const IS_READY: &str = "document.getElementById('shown').dataset.ready";

/// The height of what is above the lanes of [`fixture::partition`], of a lane, and of all, in pixels.
const ABOVE: f64 = 42.0;
const LANE: f64 = 40.0;
const TALL: f64 = 182.0;

fn open(report: &RunReport, reader: Reader) -> Option<Tab> {
    let mut tab = Tab::open(&html::render(report), reader, IS_READY)?;
    tab.drawn();
    Some(tab)
}

/// Where an operation's middle is on the lanes, in pixels of the window, with the whole run in view.
fn on_lanes(tab: &mut Tab, report: &RunReport, lane: usize, at_ns: u64) -> (f64, f64) {
    let (x, y) = tab.place("#lanes", 0.0, 0.0);
    let width = tab.number("document.getElementById('lanes').clientWidth");
    let fraction = at_ns as f64 / report.simulated_duration_ns as f64;
    (x + 104.0 + fraction * (width - 104.0 - 14.0), y + ABOVE + (lane as f64 + 0.5) * LANE)
}

fn shown(tab: &mut Tab) -> String {
    tab.text("document.getElementById('shown').textContent")
}

fn range(tab: &mut Tab) -> String {
    tab.text("document.getElementById('range').textContent")
}

fn counted(count: usize) -> String {
    format!("{},{:03}", count / 1000, count % 1000)
}

#[test]
fn the_verdict_and_every_lane_are_seen_in_light_and_dark_wide_and_on_a_phone() {
    for (name, report) in [
        ("passed", fixture::partition()),
        ("violated", fixture::violation()),
        ("restart", fixture::restart()),
    ] {
        for reader in READERS {
            let what = format!("{name} {reader:?}");
            let Some(mut tab) = open(&report, reader) else { return };
            assert_readable(&mut tab, &what);
            let verdict = tab.text("document.getElementById('verdict').innerText");
            assert_eq!(verdict, if name == "violated" { "Consistency violated" } else { "Passed" }, "{what}");
            assert_eq!(tab.eval("look.atOnce('#verdict') && look.atOnce('#command')"), true, "{what}");
            let brightness = tab.number("look.brightness()");
            assert!(
                if reader.is_dark { brightness < 0.05 } else { brightness > 0.8 },
                "{what}: {brightness}"
            );
            let wall_time =
                tab.text("[...document.querySelectorAll('table, dl')].map((it) => it.innerText).join('\\n')");
            assert!(!wall_time.to_lowercase().contains("wall"), "{what}: wall time among simulated times");
            tab.screenshot(&format!(
                "{name}-{}-{}",
                reader.width,
                if reader.is_dark { "dark" } else { "light" }
            ));
        }
    }
}

#[test]
fn lanes_bands_and_plots_have_their_colours() {
    for is_dark in [false, true] {
        let Some(mut tab) = open(&fixture::partition(), Reader { width: 1280, is_dark }) else { return };
        for lane in 0..3 {
            let from = (ABOVE + f64::from(lane) * LANE + 6.0) / TALL;
            let until = (ABOVE + f64::from(lane + 1) * LANE - 6.0) / TALL;
            let pixels = tab.number(&format!("look.pixels('#lanes', 'ok', {from}, {until})"));
            assert!(pixels > 2_000.0, "lane {lane}, dark {is_dark}: {pixels} pixels of answered operations");
        }
        for (canvas, color, least) in [
            ("#lanes", "unknown", 300.0),
            ("#lanes", "fault", 50.0),
            ("canvas[data-kinds*=GET]", "ok", 300.0),
            ("canvas[data-kinds*=GET]", "unknown", 10.0),
            ("canvas[data-kinds*=GET]", "fault", 200.0),
            ("canvas[data-plot=throughput]", "ok", 5_000.0),
            ("canvas[data-plot=throughput]", "fault", 100.0),
            ("canvas[data-plot=keys]", "accent", 500.0),
            ("canvas[data-plot=memory]", "accent", 500.0),
            ("#percentiles", "kind-1", 50.0),
            ("#percentiles", "kind-2", 300.0),
        ] {
            let pixels = tab.number(&format!("look.pixels('{canvas}', '{color}')"));
            assert!(pixels >= least, "{canvas}, {color}, dark {is_dark}: {pixels} pixels");
        }
        let text = tab.number("look.pixels('#lanes', 'muted', 0, 1, 60)");
        assert!(text > 50.0, "the axis has its labels: {text}");
    }
}

#[test]
fn colours_change_with_the_system_while_the_page_is_open() {
    let Some(mut tab) = open(&fixture::partition(), WIDE) else { return };
    let light = tab.eval("look.hash('#lanes')");
    tab.set_dark(true);
    tab.drawn();
    assert_ne!(tab.eval("look.hash('#lanes')"), light);
    assert!(tab.number("look.brightness()") < 0.05);
}

#[test]
fn a_filter_hides_what_it_names_and_says_how_many_are_left() {
    let report = fixture::partition();
    let Some(mut tab) = open(&report, WIDE) else { return };
    let all = report.operations.len();
    assert_eq!(shown(&mut tab), format!("{} operations", counted(all)));
    let before = tab.eval("look.hash('#lanes')");
    tab.click("fieldset[data-filter=kind] input[data-name=GET]");
    let left = report.operations.iter().filter(|operation| operation.kind != "GET").count();
    assert_eq!(shown(&mut tab), format!("{} of {} operations", counted(left), counted(all)));
    assert_ne!(tab.eval("look.hash('#lanes')"), before);
    tab.click("fieldset[data-filter=kind] input[data-name=GET]");
    assert_eq!(tab.eval("look.hash('#lanes')"), before, "what was hidden is back");

    tab.click("fieldset[data-filter=outcome] input[data-name=ok]");
    let unknown = report.operations.iter().filter(|it| !matches!(it.outcome, Outcome::Ok { .. })).count();
    assert_eq!(shown(&mut tab), format!("{unknown} of {} operations", counted(all)));
    tab.click("fieldset[data-filter=outcome] input[data-name=ok]");

    tab.click("fieldset[data-filter=client] input[data-name=client-2]");
    let others = report.operations.iter().filter(|operation| operation.client != "client-2").count();
    assert_eq!(shown(&mut tab), format!("{} of {} operations", counted(others), counted(all)));
    assert_eq!(tab.number("document.getElementById('lanes').clientHeight"), TALL - LANE, "a lane less");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn zooming_shows_a_part_by_buttons_keys_dragging_and_the_wheel() {
    let report = fixture::partition();
    let Some(mut tab) = open(&report, WIDE) else { return };
    let whole = "0.000 s to 30.000 s";
    assert_eq!(range(&mut tab), whole);
    let before = tab.eval("look.hash('#lanes')");
    tab.click("button[data-action=in]");
    assert_eq!(range(&mut tab), "7.500 s to 22.500 s");
    let inside = |operation: &&mayfly_reports::Operation| {
        operation.invoked_ns <= 22_500_000_000
            && operation.completed_ns.is_none_or(|end| end >= 7_500_000_000)
    };
    let count = report.operations.iter().filter(inside).count();
    assert!(shown(&mut tab).starts_with(&format!("{} of ", counted(count))), "{}", shown(&mut tab));
    assert_ne!(tab.eval("look.hash('#lanes')"), before);
    tab.eval("document.getElementById('lanes').focus()");
    tab.key("0");
    assert_eq!(range(&mut tab), whole);
    assert_eq!(tab.eval("look.hash('#lanes')"), before);
    tab.key("+");
    tab.key("ArrowRight");
    assert_eq!(range(&mut tab), "10.500 s to 25.500 s");
    tab.key("0");

    let (from, y) = on_lanes(&mut tab, &report, 1, 6_000_000_000);
    let (until, _) = on_lanes(&mut tab, &report, 1, 12_000_000_000);
    tab.mouse("mousePressed", from, y, 1);
    tab.mouse("mouseMoved", f64::midpoint(from, until), y, 1);
    tab.mouse("mouseMoved", until, y, 1);
    tab.mouse("mouseReleased", until, y, 0);
    tab.drawn();
    let dragged = range(&mut tab);
    assert!(dragged.starts_with("5.9") || dragged.starts_with("6.0"), "{dragged}");
    assert!(dragged.contains("to 11.9") || dragged.contains("to 12.0"), "{dragged}");
    tab.key("0");
    let (x, y) = on_lanes(&mut tab, &report, 1, 15_000_000_000);
    tab.eval(&format!(
        "document.elementFromPoint({x}, {y}).dispatchEvent(new WheelEvent('wheel', \
         {{ deltaY: -240, ctrlKey: true, clientX: {x}, clientY: {y}, bubbles: true, cancelable: true }}))"
    ));
    tab.drawn();
    let wheeled = range(&mut tab);
    assert!(wheeled.starts_with("7.") && wheeled.contains("to 22."), "{wheeled}");
}

#[test]
fn an_operation_says_what_it_is_when_it_is_pointed_at_and_stays_when_it_is_clicked() {
    let report = fixture::partition();
    let Some(mut tab) = open(&report, WIDE) else { return };
    let is_long = |operation: &&mayfly_reports::Operation| {
        operation.client == "client-1" && matches!(operation.outcome, Outcome::Unknown { .. })
    };
    let operation = report.operations.iter().find(is_long).unwrap();
    let middle = u64::midpoint(operation.invoked_ns, operation.completed_ns.unwrap());
    let (x, y) = on_lanes(&mut tab, &report, 0, middle);
    let tip = "(document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText)";
    assert_eq!(tab.text(tip), "");
    tab.mouse("mouseMoved", x, y, 0);
    tab.drawn();
    let words = tab.text(tip);
    for part in [operation.kind.as_str(), &operation.key, "client-1", "unknown: timed out", "2.00 s"] {
        assert!(words.contains(part), "{part} is not in {words:?}");
    }
    tab.mouse("mousePressed", x, y, 1);
    tab.mouse("mouseReleased", x, y, 0);
    tab.mouse("mouseMoved", 5.0, 5.0, 0);
    tab.drawn();
    assert_eq!(tab.text(tip), "", "the tip goes with the pointer");
    let chosen = "document.getElementById('selected').innerText.replace(/\\s+/g, ' ')";
    assert!(tab.text(chosen).contains(&format!("Operation {}", operation.id)), "{}", tab.text(chosen));
    let before = tab.number("document.getElementById('selected').offsetHeight");
    tab.eval("document.getElementById('lanes').focus()");
    tab.key("n");
    let next = tab.text(chosen);
    assert!(
        next.starts_with("Operation ") && !next.contains(&format!("Operation {} ", operation.id)),
        "{next}"
    );
    assert_eq!(tab.number("document.getElementById('selected').offsetHeight"), before, "nothing moves");
    tab.key("Escape");
    assert!(tab.text(chosen).starts_with("Point at an operation"));

    let (x, y) = tab.place("canvas[data-plot=throughput]", 0.3, 0.5);
    tab.mouse("mouseMoved", x, y, 0);
    tab.drawn();
    assert!(tab.text(tip).contains("operations per second"), "{}", tab.text(tip));
    let (x, y) = tab.place("#percentiles", 0.4, 0.5);
    tab.mouse("mouseMoved", x, y, 0);
    tab.drawn();
    let percentiles = tab.text("document.getElementById('percentiles-tip').innerText");
    assert!(percentiles.contains(" %") && percentiles.contains("GET: at most "), "{percentiles}");
}

#[test]
fn the_counter_example_is_found_in_the_timeline() {
    let Some(mut tab) = open(&fixture::violation(), WIDE) else { return };
    let whole = range(&mut tab);
    tab.click("button.show");
    assert_ne!(range(&mut tab), whole);
    assert!(tab.number("look.pixels('#lanes', 'bad')") > 50.0, "its operations are outlined");
    assert!(tab.text("document.getElementById('selected').innerText").contains("Outcome"));
    tab.eval("document.getElementById('in-view').open = true");
    tab.wait_until("document.querySelectorAll('#in-view-table tbody tr').length > 0");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn all_that_can_be_pressed_is_reached_by_the_keyboard_and_has_a_name() {
    let Some(mut tab) = open(&fixture::violation(), WIDE) else { return };
    let unreachable = "[...document.querySelectorAll('button, input, summary, a, canvas[tabindex], .scroll')]
        .filter((it) => it.checkVisibility() && (it.tabIndex < 0
            || !(it.ariaLabel ?? it.labels?.[0]?.textContent ?? it.textContent).trim()))
        .map((it) => it.outerHTML.slice(0, 80))";
    assert_eq!(tab.eval(unreachable), serde_json::json!([]));
    tab.eval("document.querySelector('button[data-action=in]').focus()");
    tab.key("Tab");
    assert!(tab.text("getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus is seen");
}
