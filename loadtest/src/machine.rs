//! What the figures were measured on, without anything that names the machine.
//!
//! Invariant: no host name, no path, no address.

use std::fs;

/// Cores, processor, memory and kernel as one line.
pub fn line() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    shown(cores, &cpu, &memory, &kernel)
}

fn shown(cores: usize, cpuinfo: &str, meminfo: &str, kernel: &str) -> String {
    let model = field(cpuinfo, "model name").unwrap_or("processor not named");
    let kib: f64 = field(meminfo, "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0.0);
    let gib = kib / f64::from(1 << 20);
    format!("{cores} cores, {model}, {gib:.0} GiB, Linux {kernel}")
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_matters() {
        let cpu = "processor : 0\nmodel name\t: Some CPU @ 2 GHz\n";
        let line = shown(2, cpu, "MemTotal:       25165824 kB\n", "6.1.0");
        assert_eq!(line, "2 cores, Some CPU @ 2 GHz, 24 GiB, Linux 6.1.0");
        assert!(shown(1, "", "", "x").contains("not named"));
    }
}
