//! What the system says about this process. What it does not say is left out.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Figures under the names that every Prometheus client uses.
pub(super) struct Process {
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// CPU time of all threads, in seconds.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Most file descriptors that may be open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let fds = std::fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: number(&status, "VmRSS:").map(|kib| kib * 1024),
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            // The folder itself is open while it is read.
            open_fds: fds.map(|fds| (fds.count() as u64).saturating_sub(1)),
            max_fds: number(&limits, "Max open files"),
            threads: number(&status, "Threads:"),
        }
    }
}

/// The first number behind `label` at the start of a line.
fn number(text: &str, label: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn linux_says_everything() {
        let process = Process::now();
        assert!(process.resident_bytes.unwrap() > 100_000);
        assert!(process.cpu_seconds > 0.0);
        assert!(process.open_fds.unwrap() >= 3 && process.max_fds.unwrap() >= 64);
        assert!(process.threads.unwrap() >= 1);
    }
}
