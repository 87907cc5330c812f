//! The page of a long run: its size, how soon it is there, how fast it is drawn.
//!
//! The bounds leave room for a busy machine; what was measured is printed (`--nocapture`).

use mayfly_reports::{Operation, Outcome, RunReport, html, summary, throughput};

use super::fixture;
use super::tab::{READERS, Tab};

/// How long a run of so many operations of eight clients is: values and versions are all different, as in a real one.
fn long(operations: u64) -> RunReport {
    let mut report = fixture::partition();
    let step_ns = report.simulated_duration_ns / operations;
    report.operations = (0..operations)
        .map(|id| {
            let is_set = id % 3 == 0;
            let draw = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) % 97;
            Operation {
                id,
                client: format!("client-{}", id % 8),
                kind: if is_set { "SET" } else { "GET" }.to_owned(),
                key: format!("register-{}", draw % 20),
                argument: is_set.then(|| format!("client-{}-0-{id:x}", id % 8)),
                condition: None,
                invoked_ns: id * step_ns,
                completed_ns: Some(id * step_ns + (2 + draw % 9) * 1_000_000),
                outcome: if draw == 0 {
                    Outcome::Unknown { reason: "no reply within the operation time-out".to_owned() }
                } else {
                    let reply = if is_set {
                        "stored".to_owned()
                    } else {
                        format!("client-{}-0-{:x}", (id / 3) % 8, id / 3 * 3)
                    };
                    let version = format!("{:015}:00000:StateStore", 1_767_225_600_435 + id / 3);
                    Outcome::Ok { reply, version: Some(version) }
                },
            }
        })
        .collect();
    report.summary = summary::by_kind(&report.operations);
    report.throughput = throughput::throughput(&report.operations, report.simulated_duration_ns);
    report
}

/// Milliseconds that each of some moves of the view takes to draw, pixels included.
const FRAMES: &str = "(async () => {
  const canvases = [...document.querySelectorAll('canvas')];
  const took = [];
  for (let move = 0; move < 24; move += 1) {
    await new Promise((done) => {
      let start = 0;
      requestAnimationFrame(() => { start = performance.now(); });
      document.getElementById('lanes').dispatchEvent(new KeyboardEvent('keydown', { key: move % 2 ? '-' : '+' }));
      requestAnimationFrame(() => {
        for (const canvas of canvases) canvas.getContext('2d').getImageData(0, 0, 1, 1);
        took.push(performance.now() - start);
        done();
      });
    });
  }
  return took.slice(4).sort((a, b) => a - b);
})()";

#[test]
fn fifty_thousand_operations_are_redrawn_fast_enough_to_be_moved() {
    let page = html::render(&long(50_000));
    let ready = "look.pixels('#lanes', 'ok') > 1000";
    let Some(mut tab) = Tab::open(&page, READERS[0], ready) else { return };
    let took = tab.eval(FRAMES);
    let took: Vec<f64> = took.as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    println!(
        "50,000 operations: a frame takes {:.1} ms at best, {:.1} ms in the middle",
        took[0],
        took[took.len() / 2]
    );
    assert!(took[0] <= 100.0, "at best {} ms", took[0]);
}

#[test]
fn a_page_of_a_hundred_thousand_operations_is_small_and_there_at_once() {
    let page = html::render(&long(100_000));
    let size = page.len();
    let ready = "document.getElementById('shown').dataset.ready";
    let mut best_ms = f64::MAX;
    // A busy machine delays a browser now and then.
    for _ in 0..3 {
        let Some(mut tab) = Tab::open(&page, READERS[0], ready) else { return };
        best_ms = best_ms.min(tab.number("Number(document.getElementById('shown').dataset.ready)"));
        if best_ms < 2_000.0 {
            break;
        }
    }
    println!("100,000 operations: {:.1} MB, drawn after {best_ms:.0} ms", size as f64 / 1e6);
    assert!(size < 5_000_000, "{size} bytes");
    assert!(best_ms < 8_000.0, "{best_ms} ms");
}
