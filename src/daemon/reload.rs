//! Reading the configuration again: grants, knocks already seen and open captures stay; a bad one changes nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::process::geteuid;

use super::awaited::Awaited;
use super::desk;
use super::logger;
use super::orders::{is_same, looks_up};
use super::own::Routes;
use super::run::Daemon;
use crate::config::{self, Config, FirewallMode, Loaded};
use crate::control::reply::Reloaded;
use crate::control::ring::Kind;
use crate::engine::{Engine, Memory};

/// Faults that are named; the rest is counted.
const FAULTS_MAX: usize = 32;

/// Why a configuration was not taken over.
pub(super) struct Refusal {
    /// One line each.
    pub(super) faults: Vec<String>,
    /// Whether the configuration is good, and only a restart takes it over.
    pub(super) restart: bool,
}

impl From<Vec<String>> for Refusal {
    fn from(faults: Vec<String>) -> Self {
        Self { faults, restart: false }
    }
}

impl From<String> for Refusal {
    fn from(fault: String) -> Self {
        vec![fault].into()
    }
}

impl Daemon {
    /// Reads the configuration file again and goes on by it, or says every fault and goes on as before.
    pub(super) fn reload(&mut self) -> Result<Reloaded, Refusal> {
        let outcome = self.try_reload();
        let said = match &outcome {
            Ok(reloaded) => {
                for warning in &reloaded.warnings {
                    log::warn!("{warning}");
                }
                let users = match reloaded.otp {
                    0 => String::new(),
                    count => format!(", one-time-password users: {count}"),
                };
                let line = format!("the configuration was read again, {} access stanzas{users}", reloaded.stanzas);
                log::info!("{line}");
                line
            }
            Err(Refusal { faults, .. }) => {
                for fault in faults {
                    log::warn!("{fault}");
                }
                let line = "the configuration stays as it was".to_owned();
                log::warn!("{line}");
                match faults.as_slice() {
                    [] => line,
                    [fault] => format!("{line}: {fault}"),
                    [first, ..] => format!("{line}: {first} (the first of {} faults)", faults.len()),
                }
            }
        };
        self.door.report.note(Kind::Reload, self.door.clock.unix, None, said);
        outcome
    }

    fn try_reload(&mut self) -> Result<Reloaded, Refusal> {
        readable(&self.path)?;
        let Loaded { config, warnings } = config::load(&self.path).map_err(|faults| some_of(&faults))?;
        let devices = if self.interfaces.is_empty() { config.main.devices.clone() } else { self.interfaces.clone() };
        if devices.is_empty() {
            return Err(format!("{}: no device to capture on: name one with `list device`", self.path.display()).into());
        }
        needs_restart(&self.config, &config, self.interfaces.is_empty()).map_err(|what| {
            let fault =
                format!("{}: {what} cannot change while the daemon runs; restart the service", self.path.display());
            Refusal { faults: vec![fault], restart: true }
        })?;
        if config.has_page() && !self.config.has_page() && self.desk.is_none() {
            let fault = format!(
                "{}: config page cannot be switched on while the daemon runs; restart the service",
                self.path.display()
            );
            return Err(Refusal { faults: vec![fault], restart: true });
        }
        let routes = Routes::open(&devices).map_err(|error| format!("routes: {error}"))?;
        // What was captured before is judged by what held then.
        self.ears.change(&devices, &config.main, &mut self.door).map_err(|error| error.to_string())?;
        self.door.forget_lookups("the configuration was read again meanwhile; knock again");
        let memory = carry_over(self.door.engine.memory(), &self.config, &config);
        self.door.engine = Engine::new(&config, memory);
        self.door.routes = routes;
        self.door.awaited = Awaited::new(&config, &devices, Vec::new());
        self.door.hear(self.ears.heard());
        self.door.lookout.aim(&config, &devices, self.door.now);
        self.door.configure(&config);
        logger::set_level(config.main.log_level);
        let told = self.desk.as_ref().is_none_or(|desk| desk.configure(&config));
        // A restart did not help before; what else the file says is no worse for that.
        let lacks_page = config.has_page() && self.desk.is_none();
        self.config = config;
        let mut warnings = some_of(&warnings);
        if !told {
            warnings.push(desk::ENDED.to_owned());
        }
        if lacks_page {
            warnings.push("config page: the page could not be started; the log of the start says why".to_owned());
        }
        warnings.extend(self.ears.warnings());
        Ok(Reloaded { stanzas: self.door.engine.stanzas(), otp: self.config.otp.len(), warnings })
    }
}

/// Whether the file can be read by whom the daemon has become.
fn readable(path: &Path) -> Result<(), String> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(format!(
            "{}: the daemon gave up root and may not read it: let user {} read it (chown, or chgrp and mode 640; \
             its directory, too), or restart the service",
            path.display(),
            geteuid().as_raw(),
        )),
        // Other faults are named with their remedy by whoever reads the file.
        _ => Ok(()),
    }
}

/// What of the new configuration only a start can bring about; its devices count unless the command line has others.
fn needs_restart(old: &Config, new: &Config, devices_count: bool) -> Result<(), &'static str> {
    if old.main.firewall != new.main.firewall {
        return Err("option firewall");
    }
    if old.main.tcp_listen != new.main.tcp_listen {
        return Err("option tcp_listen");
    }
    if !is_same(old, new) {
        return Err("list command or option command_user");
    }
    if looks_up(old) != looks_up(new) {
        return Err("option nat_dns, the first or the last one that is on,");
    }
    if new.main.firewall == FirewallMode::Standalone {
        if old.main.protect != new.main.protect {
            return Err("the ports that standalone mode guards (list protect, or the ports of list open)");
        }
        if devices_count && old.main.devices != new.main.devices {
            return Err("list device in standalone mode, which guards these devices,");
        }
    }
    Ok(())
}

/// The old engine's memory for the new one. A counting engine (`max_age` 0) keeps replays out by the newest
/// timestamps alone; one with a window goes on from there.
fn carry_over(mut memory: Memory, old: &Config, new: &Config) -> Memory {
    if old.main.max_age == 0 && new.main.max_age > 0 {
        for (stanza, newest) in &memory.newest {
            memory.floors.raise(stanza, *newest);
        }
    }
    memory
}

/// The first faults, and how many more there are.
fn some_of(faults: &[config::Fault]) -> Vec<String> {
    let mut lines: Vec<String> = faults.iter().take(FAULTS_MAX).map(ToString::to_string).collect();
    if let Some(more) = faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(main: &str) -> Config {
        let text = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\nconfig access 'alice'\n\toption key 'k'\n\
             \toption hmac_key 'h'\n\tlist open 'tcp/22'\n"
        );
        config::parse(text.as_bytes(), "config").unwrap().config
    }

    #[test]
    fn what_a_counting_engine_honoured_stays_refused_when_a_window_opens() {
        let (counting, window) = (config("\toption max_age '0'\n"), config(""));
        let mut memory = Memory::default();
        memory.newest.insert("alice".to_owned(), 1000);
        assert_eq!(carry_over(memory.clone(), &counting, &window).floors.get("alice"), Some(&1000));
        assert_eq!(carry_over(memory.clone(), &window, &window), memory);
        assert_eq!(carry_over(memory.clone(), &window, &counting), memory);
    }

    #[test]
    fn only_what_the_guard_is_made_of_needs_a_restart() {
        let alone = "\toption firewall 'standalone'\n";
        let other = |more: &str| config(&(alone.to_owned() + more));
        let old = other("");
        assert_eq!(needs_restart(&old, &other("\tlist port '62202'\n\toption max_age '9'\n"), true), Ok(()));
        assert!(needs_restart(&old, &other("\tlist protect 'tcp/80'\n\tlist protect 'tcp/22'\n"), true).is_err());
        assert!(needs_restart(&old, &other("\tlist device 'lan'\n"), true).is_err());
        assert_eq!(needs_restart(&old, &other("\tlist device 'lan'\n"), false), Ok(()));
        assert_eq!(needs_restart(&config(""), &config("\tlist device 'lan'\n"), true), Ok(()));
        assert!(needs_restart(&old, &config(""), true).is_err());
    }

    #[test]
    fn of_many_faults_the_first_are_named() {
        let text = "config nonsense\n".repeat(100);
        let faults = config::parse(text.as_bytes(), "config").unwrap_err();
        let lines = some_of(&faults);
        assert_eq!(lines.len(), FAULTS_MAX + 1);
        assert_eq!(lines.last(), Some(&format!("and {} more", faults.len() - FAULTS_MAX)));
    }
}
