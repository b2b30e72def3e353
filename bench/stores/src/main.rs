//! Measures embedded stores on the work of Tuckbox's checkpoints and writes the figures to `README.md`.
//!
//! `cargo run --release [records]` in this directory; Linux only.

mod candidates;
mod work;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use candidates::{NAMES, Result};

const RECORDS: u64 = 1_000_000;
const OPENS: usize = 5;
const CRASHES: usize = 3;

/// The rows of the table: what it says, the figure's name, its decimals.
const ROWS: [(&str, &str, usize); 18] = [
    ("load, 10,000 new records a transaction: s", "load_s", 1),
    ("... on disk after it: MB", "load_disk_mb", 0),
    ("... anonymous memory after it: MB", "load_anon_mb", 0),
    ("checkpoint of 10,000 changed keys, median: ms", "large_ms", 0),
    ("... worst of 20: ms", "large_worst_ms", 0),
    ("checkpoint of 50 changed keys, median: ms", "small_ms", 1),
    ("... worst of 50: ms", "small_worst_ms", 1),
    ("on disk after the checkpoints: MB", "checkpoints_disk_mb", 0),
    ("most anonymous memory during them: MB", "checkpoints_anon_mb", 0),
    ("random read, warm: ns", "read_ns", 0),
    ("read beside checkpoints, median: ns", "read_beside_p50_ns", 0),
    ("... 99th percentile: us", "read_beside_p99_us", 1),
    ("... worst: ms", "read_beside_worst_ms", 1),
    ("open after a clean close: ms", "clean_open_ms", 2),
    ("... and the first read: ms", "clean_first_read_ms", 2),
    ("open after kill -9 in a checkpoint: ms", "crash_open_ms", 2),
    ("... and the first read: ms", "crash_first_read_ms", 2),
    ("... the slowest of the opens: ms", "crash_open_worst_ms", 2),
];

type Figures = HashMap<String, f64>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [phase, name, dir, records] = &args[..] {
        return work::run(phase, name, Path::new(dir), records.parse()?);
    }
    let records = args.first().map_or(Ok(RECORDS), |records| records.parse())?;
    // Beside the binary: the directory for temporary files is memory on some systems, where a sync costs nothing.
    let binary = std::env::current_exe()?;
    let dir = tempfile::tempdir_in(binary.parent().ok_or("the binary has no directory")?)?;
    let began = Instant::now();
    let load = load_average()?;
    let mut figures = Vec::new();
    for name in NAMES {
        eprintln!("{name} ...");
        figures.push(measure(name, &dir.path().join(name), records)?);
    }
    let report = report(&figures, records, load, began.elapsed())?;
    print!("{report}");
    std::fs::write(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md"), report)?;
    Ok(())
}

fn measure(name: &str, dir: &Path, records: u64) -> Result<Figures> {
    let mut figures = phase("load", name, dir, records)?;
    figures.extend(phase("checkpoints", name, dir, records)?);
    figures.extend(phase("reads", name, dir, records)?);

    let opens =
        (0..OPENS).map(|_| phase("open", name, dir, records)).collect::<Result<Vec<_>>>()?;
    figures.insert("clean_open_ms".into(), median(&opens, "open_ms"));
    figures.insert("clean_first_read_ms".into(), median(&opens, "first_read_ms"));

    let mut opens = Vec::new();
    for crashes in 0..CRASHES {
        kill_in_checkpoint(name, dir, records, crashes)?;
        opens.push(phase("open", name, dir, records)?);
    }
    figures.insert("crash_open_ms".into(), median(&opens, "open_ms"));
    figures.insert("crash_first_read_ms".into(), median(&opens, "first_read_ms"));
    figures.insert(
        "crash_open_worst_ms".into(),
        opens.iter().map(|figures| figures["open_ms"]).fold(0.0, f64::max),
    );
    std::fs::remove_dir_all(dir)?;
    Ok(figures)
}

fn command(phase: &str, name: &str, dir: &Path, records: u64) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([phase, name]).arg(dir).arg(records.to_string());
    Ok(command)
}

fn phase(phase: &str, name: &str, dir: &Path, records: u64) -> Result<Figures> {
    let output = command(phase, name, dir, records)?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{name} failed in {phase}: {}", output.status).into());
    }
    let mut figures = Figures::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (figure, value) =
            line.split_once(' ').ok_or_else(|| format!("{name} told no figure: {line}"))?;
        figures.insert(figure.to_owned(), value.parse()?);
    }
    Ok(figures)
}

/// Lets a child commit a few checkpoints and kills it in the next, a little later each time.
fn kill_in_checkpoint(name: &str, dir: &Path, records: u64, crashes: usize) -> Result<()> {
    let mut child = command("crash", name, dir, records)?.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the child has no output")?;
    for line in BufReader::new(stdout).lines().take(3 + crashes) {
        line?;
    }
    // Into the next checkpoint. Its length differs between the stores; where exactly it dies does not matter.
    std::thread::sleep(Duration::from_millis(5 + 10 * crashes as u64));
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn median(figures: &[Figures], name: &str) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(|figures| figures[name]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Threads that other programs kept running in the last minute: above the cores, the figures are too high.
fn load_average() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().ok_or("the kernel does not tell the load")?.parse()?)
}

fn report(figures: &[Figures], records: u64, load: f64, took: Duration) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "));
    let cpu = cpu.map_or("unknown processor", |(_, name)| name);
    let mut table = format!("| | {} |\n|---|{}\n", NAMES.join(" | "), "---:|".repeat(NAMES.len()));
    for (title, name, decimals) in ROWS {
        let values: Vec<String> =
            figures.iter().map(|figures| format!("{:.decimals$}", figures[name])).collect();
        table.push_str(&format!("| {title} | {} |\n", values.join(" | ")));
    }
    Ok(format!(
        include_str!("report.md"),
        table = table,
        records = records,
        cores = cores,
        cpu = cpu,
        load = load,
        minutes = took.as_secs_f64() / 60.0
    ))
}
