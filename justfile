# The same commands as the cargo aliases in .cargo/config.toml; run `just` to list them.

default:
    @just --list --unsorted

# Run a scenario under simulation: just sim partition --seed 7
sim *arguments:
    cargo sim {{arguments}}

# Pass the tests
test *arguments:
    cargo test --workspace {{arguments}}

# Drive a scenario of scenarios/bench in wall time, in memory and over loopback: just bench hot-path
bench scenario *arguments:
    cargo run --release --package mayfly-bench --bin mayfly-bench -- {{scenario}} {{arguments}}

# Put a load on the server as a process of its own: just load idle, storm, slow-reader or keys
load *arguments:
    cargo load {{arguments}}

# Criterion and HdrHistogram benchmarks of codec, core, routing, rules and loopback
criterion *arguments:
    cargo bench --package mayfly-bench {{arguments}}

# Run the broker: just serve --listen 127.0.0.1:1883
serve *arguments:
    cargo mayfly serve {{arguments}}

# The official SDK against the engine; needs OpenSSL's headers: just interop, just interop --test sdk_simulation
interop *arguments:
    cargo interop {{arguments}}

# Everything that must hold before a change lands
ci:
    .ci/run

# More seeds than CI runs: some twenty minutes
slow:
    cargo sim sweep fast --seeds 200
    cargo sim sweep slow/mixed-faults --seeds 200
    cargo sim sweep slow/churn --seeds 10 --no-report
    cargo sim sweep regression --seeds 100
    cargo sim score --seeds 100
    cargo sim meta fast --seeds 50

# Shrink a failure of each of twelve lying brokers to a few operations: some minutes
shrink:
    cargo test --release --package mayfly-sim --test shrink -- --ignored --nocapture

# Break the broker, a normative statement at a time; a test of each must fail: just mutate --only mqtt5/3.1.2-4
mutate *arguments:
    cargo mutate {{arguments}}

# Fuzz a target of the engine for seconds of CPU time; needs `cargo install cargo-fuzz --locked`
fuzz target seconds="60":
    engine/fuzz/campaign {{seconds}} {{target}}

# Fuzz every target, half an hour of CPU time each
fuzz-all seconds="1800":
    engine/fuzz/campaign {{seconds}}
