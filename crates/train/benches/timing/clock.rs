//! How long the processor worked, which on a shared machine says more than a clock on the wall.

use std::time::{SystemTime, UNIX_EPOCH};

/// Processor time of all threads of this process in seconds, to a hundredth; where the system does not tell, the time of the day.
pub(crate) fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").ok();
    told.as_deref().and_then(of_stat).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0.0, |now| now.as_secs_f64())
    })
}

/// Fields 14 and 15, user and system time in ticks of 1/100 s; field 2 is the name of the program in brackets.
fn of_stat(line: &str) -> Option<f64> {
    let mut fields = line.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}
