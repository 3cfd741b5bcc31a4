//! Metrics of this process, read from `/proc` at each scrape, under the names Prometheus knows.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Ticks per second in `/proc/PID/stat`. The kernel's ABI fixes it, whatever its own clock does.
const USER_HZ: f64 = 100.0;

/// Reads what the operating system says about this process.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

/// What one scrape saw; a part that cannot be read is left out, not made up.
#[derive(Debug, Default)]
struct Sample {
    cpu_seconds: Option<f64>,
    start_time_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

/// Lets this process have as many open files as it may by itself, and returns how many that are.
pub(crate) fn max_open_files() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is as many as one likes.
    let (Some(now), Some(most)) = (current, maximum) else { return None };
    let all = Rlimit { current: maximum, maximum };
    let is_raised = now < most && setrlimit(Resource::Nofile, all).is_ok();
    usize::try_from(if is_raised { most } else { now }).ok()
}

impl Sample {
    fn read() -> Self {
        let mut sample = Sample::default();
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
            // The second field is the program's name in brackets, which may hold spaces and brackets.
            && let Some((_, rest)) = stat.rsplit_once(')')
        {
            let fields: Vec<f64> =
                rest.split_whitespace().map(|it| it.parse().unwrap_or(f64::NAN)).collect();
            let field = |number: usize| fields.get(number - 3).copied().filter(|it| it.is_finite());
            sample.cpu_seconds =
                field(14).zip(field(15)).map(|(user, system)| (user + system) / USER_HZ);
            sample.virtual_bytes = field(23);
            sample.start_time_seconds =
                field(22).zip(boot_time()).map(|(it, boot)| boot + it / USER_HZ);
        }
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
            let kib =
                line.and_then(|it| it.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
            sample.resident_bytes = kib.map(|it| it * 1024.0);
        }
        if let Ok(limits) = std::fs::read_to_string("/proc/self/limits") {
            let line = limits.lines().find_map(|it| it.strip_prefix("Max open files"));
            sample.max_fds = line.and_then(|it| it.split_whitespace().next()?.parse().ok());
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            // Without the one this very reading holds open.
            sample.open_fds = Some(entries.count().saturating_sub(1) as f64);
        }
        sample
    }
}

/// When the machine started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|it| it.strip_prefix("btime "))?.trim().parse().ok()
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sample = Sample::read();
        if let Some(cpu_seconds) = sample.cpu_seconds {
            let counter = ConstCounter::new(cpu_seconds);
            let help = "User and system time this process has used, in seconds";
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        for (name, help, value) in [
            (
                "process_start_time_seconds",
                "Start of this process since 1970, in seconds",
                sample.start_time_seconds,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory of this process, in bytes",
                sample.resident_bytes,
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory of this process, in bytes",
                sample.virtual_bytes,
            ),
            ("process_open_fds", "File descriptors this process holds open", sample.open_fds),
            ("process_max_fds", "File descriptors this process may hold open", sample.max_fds),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let sample = Sample::read();
        assert!(sample.resident_bytes.unwrap() > 100_000.0, "{sample:?}");
        assert!(sample.open_fds.unwrap() >= 3.0, "{sample:?}");
        assert!(sample.cpu_seconds.unwrap() >= 0.0, "{sample:?}");
        let age = crate::clock::now().as_second() as f64 - sample.start_time_seconds.unwrap();
        assert!((-5.0..86_400.0).contains(&age), "{sample:?}");
    }
}
