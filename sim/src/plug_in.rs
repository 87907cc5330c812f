//! What plugs into the simulator: workloads, faults, checkers and lying brokers. Each kind is a module with its
//! parameters and its deeds behind a trait, and a line in one registration table: [`WorkloadKind`], [`FaultKind`],
//! [`CheckerName`], [`Sabotage`]. The runner, the nemesis, the judge and the report know the traits alone.
//!
//! [`WorkloadKind`]: crate::workload::WorkloadKind
//! [`FaultKind`]: crate::fault::FaultKind
//! [`CheckerName`]: crate::check::CheckerName
//! [`Sabotage`]: crate::sabotage::Sabotage

use schemars::Schema;
use serde_json::{Value, json};

/// A registration table of plug-ins with parameters: the `kind` of a table in a scenario file, in kebab case, and the
/// type that reads the rest of the table and implements the trait.
///
/// Makes an enum that serde reads, so that a file's errors keep their places, that dereferences to the trait, and that has a JSON
/// schema: one of the parameters' own, each with its `kind`.
macro_rules! plug_ins {
    (
        $(#[$about:meta])*
        $table:ident: dyn $interface:ident {
            $($(#[$line:meta])* $kind:ident($parameters:ty),)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(clippy::large_enum_variant, reason = "a scenario has a handful of each")]
        pub enum $table {
            $($(#[$line])* $kind($parameters),)+
        }

        impl std::ops::Deref for $table {
            type Target = dyn $interface;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$kind(parameters) => parameters,)+
                }
            }
        }

        impl schemars::JsonSchema for $table {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($table).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let kinds = [$($crate::plug_in::of_kind(
                    stringify!($kind),
                    <$parameters as schemars::JsonSchema>::json_schema(generator),
                ),)+];
                schemars::json_schema!({ "oneOf": kinds })
            }
        }
    };
}

/// A registration table of names, each with the name that scenario files and reports write, and what it stands for.
macro_rules! names {
    (
        $(#[$about:meta])*
        $table:ident {
            $($(#[$line:meta])* $name:ident = $text:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        pub enum $table {
            $($(#[$line])* #[serde(rename = $text)] $name,)+
        }

        impl $table {
            /// Every one, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name as scenarios and reports write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }

        impl std::fmt::Display for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use {names, plug_ins};

/// The schema of a plug-in's table: that of its parameters, and the `kind` that tells it apart.
pub(crate) fn of_kind(variant: &str, mut parameters: Schema) -> Schema {
    let kind = kebab_case(variant);
    let about = parameters.get("description").cloned().unwrap_or_default();
    let object = parameters.ensure_object();
    let mut properties = serde_json::Map::new();
    properties.insert("kind".to_owned(), json!({ "const": kind, "description": about }));
    if let Some(Value::Object(others)) = object.remove("properties") {
        properties.extend(others);
    }
    let mut required = vec![json!("kind")];
    if let Some(Value::Array(others)) = object.remove("required") {
        required.extend(others);
    }
    object.insert("properties".to_owned(), properties.into());
    object.insert("required".to_owned(), required.into());
    parameters
}

/// As serde has it: `HalfOpen` is `half-open`.
fn kebab_case(variant: &str) -> String {
    let mut kind = String::new();
    for (index, letter) in variant.char_indices() {
        if index > 0 && letter.is_uppercase() {
            kind.push('-');
        }
        kind.extend(letter.to_lowercase());
    }
    kind
}
