//! The page holds what a reader must see, asks the network for nothing, and lets no data out of its place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mayfly_reports::{CheckerVerdict, Conclusion, Explanation, ExplanationRow, RunReport, html};
use serde_json::Value;

/// Ends a script element, opens one, breaks out of a quoted attribute, and moves a terminal's cursor.
const HOSTILE: &str = "</script><script>alert(1)</script><b qq\"rr'ss>&\u{1b}[2J{{style}}";

#[test]
fn the_verdict_and_the_way_to_repeat_it_come_first() {
    let page = html::render(&fixture::partition());
    let positions = [
        "<h1>partition</h1>",
        ">Passed</h2>",
        "Every history is linearizable, and every fault bit.",
        "<code>7</code>",
        "9c1f4be07d3a5528e6b04f7719ad23c8",
        "cargo sim partition --seed 7</code>",
        "id=\"lanes\"",
        "data-kinds=\"[&quot;GET&quot;]\"",
        "Operations per second",
        "Keys in the store",
        "Sessions on the broker",
        "Memory of the broker",
        "operations answered",
        "client-1 | broker",
        "Latency of answered operations, simulated time",
        "Latency by percentile, simulated time",
        "linearizability",
        "release build, rustc 1.95.0",
    ]
    .map(|words| page.find(words).unwrap_or_else(|| panic!("the page lacks {words}")));
    assert!(positions.is_sorted(), "the page's order changed: {positions:?}");
    assert!(!page.contains("What went wrong"));
}

#[test]
fn a_counter_example_stands_before_the_timeline_and_knows_its_operations() {
    let report = fixture::violation();
    let page = html::render(&report);
    let went_wrong = page.find("What went wrong").unwrap();
    assert!(went_wrong < page.find("id=\"timeline\"").unwrap());
    assert!(page.contains("returned a value that had already been replaced</h3>"));
    assert!(page.contains("No order of these operations explains that"));
    let ids = &report.checkers[0].counter_examples[0].operation_ids;
    let position = |id| report.operations.iter().position(|operation| operation.id == id).unwrap();
    let shown = format!("data-operations=\"{} {}\"", position(ids[0]), position(ids[1]));
    assert!(page.contains(&shown), "the page lacks {shown}");
    assert_eq!(page_data(&page)["highlighted"], serde_json::json!([ids[0].to_string(), ids[1].to_string()]));
    assert!(page.contains("never fired") && page.contains("undecided</span> reached its bound"));
}

#[test]
fn all_counter_examples_but_the_first_are_folded() {
    let mut report = fixture::violation();
    assert!(!html::render(&report).contains(" more</summary>"));
    let mut another = report.checkers[0].counter_examples[0].clone();
    another.title = "another".to_owned();
    report.checkers[0].counter_examples.push(another.clone());
    report.checkers[1].counter_examples = vec![another; 2];
    let page = html::render(&report);
    let (before, folded) = page.split_once("<details>\n<summary>3 more</summary>").unwrap();
    assert!(before.contains("returned a value that had already been replaced</h3>"));
    assert!(!before.contains("<h3>another</h3>"));
    assert_eq!(folded.split_once("</details>").unwrap().0.matches("<h3>another</h3>").count(), 3);
}

#[test]
fn a_run_that_was_to_be_lied_to_shows_what_was_caught() {
    let mut report = fixture::violation();
    assert!(!html::render(&report).contains("class=\"counter-examples caught\""));
    report.verdict.conclusion = Conclusion::Passed;
    let page = html::render(&report);
    assert!(page.contains("<section class=\"counter-examples caught\""));
    assert!(page.contains(">The lies that were caught</h2>"));
    assert!(!page.contains("What went wrong"));
}

#[test]
fn sentences_shorten_versions_and_tables_keep_them() {
    let version = "001767225600744:00000:StateStore";
    let mut report = fixture::violation();
    report.verdict.headline = format!("headline {version}.");
    let counter_example = &mut report.checkers[0].counter_examples[0];
    counter_example.title = format!("title {version}, end");
    counter_example.explanation = vec![format!("words {version}")];
    counter_example.rows[0].saw = format!("saw {version}");
    let page = html::render(&report);
    let short = format!("<abbr title=\"{version}\">…600744:0</abbr>");
    for sentence in [
        format!("<p>Headline {short}.</p>"),
        format!("<h3>title {short}, end</h3>"),
        format!("<p>words {short}</p>"),
    ] {
        assert!(page.contains(&sentence), "the page lacks {sentence}");
    }
    assert!(page.contains(&format!("saw {version}</div></td>")));
}

#[test]
fn the_verdict_tells_what_a_restart_lost() {
    let mut report = fixture::restart();
    let told = "<strong>Loss on restart:</strong> nothing from before was seen after 1 restart; the store held 8 \
                keys before it and 0 after</p>";
    let page = html::render(&report);
    assert!(page.find(told).unwrap() < page.find("class=\"facts\"").unwrap());
    let loss = report.checkers.iter_mut().find(|checker| checker.name == "loss-on-restart").unwrap();
    loss.verdict = CheckerVerdict::Violated;
    assert!(!html::render(&report).contains("Loss on restart"));
}

#[test]
fn the_plots_get_the_fall_to_zero_and_the_restart() {
    let data = page_data(&html::render(&fixture::restart()));
    let fall = serde_json::json!([15_000_000_000_u64, 0]);
    assert!(data["key_count"].as_array().unwrap().contains(&fall));
    assert!(data["session_count"].as_array().unwrap().contains(&fall));
    assert_eq!(data["marks"], serde_json::json!([[15_000_000_000_u64, "broker restarted, memory empty"]]));
}

#[test]
fn the_script_gets_every_operation() {
    let report = fixture::partition();
    let page = html::render(&report);
    let (head, data) = (page_data(&page), page_operations(&page));
    let rows = data["operations"].as_array().unwrap();
    assert_eq!(rows.len(), report.operations.len());
    for (row, operation) in rows.iter().zip(&report.operations) {
        let text = |column: usize| data["texts"][row[column].as_u64().unwrap() as usize].as_str().unwrap();
        let lane = &head["lanes"][row[1].as_u64().unwrap() as usize];
        assert_eq!(
            (lane.as_str().unwrap(), text(2), text(3), row[6].as_u64(), row[7].as_u64()),
            (
                operation.client.as_str(),
                operation.kind.as_str(),
                operation.key.as_str(),
                Some(operation.invoked_ns),
                operation.completed_ns
            )
        );
    }
}

#[test]
fn hostile_text_in_any_field_stays_text() {
    let mut value = serde_json::to_value(fixture::violation()).unwrap();
    let mut changed = 0;
    append_hostile(&mut value, &mut changed);
    assert!(changed > 1_000, "the fixture has texts to change");
    let hostile = RunReport::from_json(&value.to_string()).unwrap();

    let clean = html::render(&fixture::violation());
    let page = html::render(&hostile);
    for (part, times) in
        [("<script", clean.matches("<script").count()), ("</script", clean.matches("</script").count())]
    {
        assert_eq!(page.matches(part).count(), times, "data added a {part}");
    }
    let (before_data, rest) = page.split_once("id=\"run-data\">").unwrap();
    let (_, after_data) = rest.split_once("</script").unwrap();
    for markup in [before_data, after_data] {
        assert!(!markup.contains("<b qq"), "data opened an element");
        assert!(!markup.contains("qq\"") && !markup.contains("rr'"), "data can end an attribute");
    }
    assert!(!page.contains('\u{1b}'), "data kept a control character");
    assert!(page.contains("{{style}}"), "data was taken for a part of the page's template");
    assert!(
        page_operations(&page)["texts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|text| text.as_str().unwrap().ends_with(HOSTILE))
    );
}

#[test]
fn what_cannot_be_explained_stands_before_the_counter_examples() {
    let mut report = fixture::violation();
    assert!(!html::render(&report).contains("What can't be explained"));
    let row = report.checkers[0].counter_examples[0].rows[0].clone();
    report.explanation = Some(Explanation {
        checker: "linearizability".to_owned(),
        title: "a stale read".to_owned(),
        rows: vec![ExplanationRow { row, model: "key-1 = value-7".to_owned() }],
        left_out: None,
        rests_on: "Without any of these the rest is allowed.".to_owned(),
        reasons: vec!["the GET began after the SET had ended".to_owned()],
        faults: Vec::new(),
        prefix: "up to 12.071 s all is explained".to_owned(),
    });
    let page = html::render(&report);
    let explained = page.find("What can't be explained</h2>").unwrap();
    assert!(explained < page.find("What went wrong</h2>").unwrap());
    for words in ["key-1 = value-7", "Without any of these", "No fault lasted meanwhile.", "up to 12.071 s"] {
        assert!(page[explained..].contains(words), "{words}");
    }
}

#[test]
fn the_page_needs_no_network() {
    let page = html::render(&fixture::violation());
    for address in ["http://", "https://", "src=", "<link", "url(", "@import", "fetch(", "import("] {
        assert!(!page.contains(address), "the page refers to something outside: {address}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn an_empty_run_renders() {
    let mut report = fixture::partition();
    report.operations.clear();
    report.summary.clear();
    report.hosts.clear();
    report.faults.clear();
    report.session_events.clear();
    report.checkers.clear();
    report.simulated_duration_ns = 0;
    let page = html::render(&report);
    assert!(page.contains("The scenario plans no fault."));
    assert_eq!(page_data(&page)["end"], 1);
}

/// What decides the page's layout, as the script reads it: up to the first end tag, as a browser would.
fn page_data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"run-data\">").unwrap();
    let (json, _) = rest.split_once("</script").unwrap();
    serde_json::from_str(json).unwrap()
}

/// The operations and their texts, unpacked.
fn page_operations(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"run-operations\">").unwrap();
    let (base64, _) = rest.split_once("</script").unwrap();
    let packed = BASE64_STANDARD.decode(base64).unwrap();
    serde_json::from_slice(&miniz_oxide::inflate::decompress_to_vec(&packed).unwrap()).unwrap()
}

/// Appends [`HOSTILE`] to every text, except where the text is one of the format's own words.
fn append_hostile(value: &mut Value, changed: &mut u32) {
    match value {
        Value::String(text) => {
            text.push_str(HOSTILE);
            *changed += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| append_hostile(item, changed)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_word = matches!(name.as_str(), "is" | "conclusion" | "role")
                    || name == "verdict" && field.is_string();
                if !is_word {
                    append_hostile(field, changed);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
