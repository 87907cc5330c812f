//! What plugs into the simulator: workloads, faults, checkers and lying brokers. Each kind is a module with its
//! parameters and its deeds behind a trait, and a line in one registration table: [`WorkloadKind`], [`FaultKind`],
//! [`CheckerName`], [`Sabotage`]. The runner, the nemesis, the judge and the report know the traits alone.
//!
//! [`WorkloadKind`]: crate::workload::WorkloadKind
//! [`FaultKind`]: crate::fault::FaultKind
//! [`CheckerName`]: crate::check::CheckerName
//! [`Sabotage`]: crate::sabotage::Sabotage

/// A registration table of plug-ins with parameters: the `kind` of a table in a scenario file, in kebab case, and the
/// type that reads the rest of the table and implements the trait.
///
/// Makes an enum that serde reads, so that a file's errors keep their places, and that dereferences to the trait.
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
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
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
