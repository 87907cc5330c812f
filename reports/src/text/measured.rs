//! What a benchmark of a scenario prints: one table a world, each labelled wall time.

use super::layout::{Align, Table, section};
use super::{latency_cells, latency_columns};
use crate::measurement::Measurement;
use crate::wording;

/// The whole text of a measurement.
pub fn measurement(measurement: &Measurement) -> String {
    let mut text = format!(
        "{}, seed {}: {} {}, {}\n",
        wording::visible(&measurement.scenario.name),
        measurement.seed,
        measurement.build.package_version,
        measurement.build.profile,
        measurement.build.rustc_version,
    );
    for world in &measurement.worlds {
        let [kind, count, percentiles @ ..] = latency_columns("kind", "operations");
        let mut columns = vec![kind, count, ("per second", Align::Right)];
        columns.extend(percentiles);
        let mut table = Table::new(&columns);
        for row in &world.kinds {
            let [_, percentiles @ ..] = latency_cells(row.wall_latency.as_ref());
            let mut cells = vec![
                row.kind.clone(),
                wording::count(row.operations),
                wording::count(row.operations_per_second()),
            ];
            cells.extend(percentiles);
            table.row(cells);
        }
        let heading =
            format!("{} (wall time): {}", wording::visible(&world.name), wording::visible(&world.conditions));
        section(&mut text, &heading, &table.render());
    }
    text += &format!("\nrepeat with {}\n", wording::visible(&measurement.repeat_command));
    text
}
