//! The model shares no code with what it judges.

use std::path::Path;

#[test]
fn the_models_name_nothing_of_the_engine() {
    for (folder, least) in [("src/specification", 10), ("src/state_store", 3)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("the folder of a model") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a source file");
            for foreign in ["mayfly_", "crate::differential"] {
                assert!(!text.contains(foreign), "{} names {foreign}", path.display());
            }
            files += 1;
        }
        assert!(files >= least, "{files} files are not the model");
    }
}
