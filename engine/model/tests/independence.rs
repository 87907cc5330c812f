//! The model shares no code with what it judges.

use std::path::Path;

#[test]
fn the_specification_names_nothing_of_the_engine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/specification");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the specification's folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a source file");
        for foreign in ["mayfly_", "crate::differential"] {
            assert!(!text.contains(foreign), "{} names {foreign}", path.display());
        }
        files += 1;
    }
    assert!(files >= 10, "{files} files are not the specification");
}
