//! `spa-knockd check`: every mistake of a configuration at once.

use std::path::{Path, PathBuf};

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::capture::live::ANY;
use spa_knockd::config::{self, Config, FirewallMode};
use spa_knockd::daemon::clock::wall;
use spa_knockd::daemon::lookout::examine_here;
use spa_knockd::daemon::orders::unknown_users;
use spa_knockd::daemon::own::Routes;
use spa_knockd::daemon::programs::missing_programs;
use spa_knockd::firewall::Guard;
use spa_knockd::firewall::exposure::{Finding, guarded, lines};

use super::{CONFIG, Failure, complain, complain_all, count, say, say_json};

/// check a configuration; name every mistake with its place and remedy
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
pub(super) struct Arguments {
    /// the UCI configuration (default /etc/config/spa-knockd)
    #[argh(option, default = "CONFIG.into()")]
    config: PathBuf,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    ok: bool,
    access: usize,
    otp: usize,
    faults: Vec<String>,
    warnings: Vec<String>,
    exposed: Vec<Finding>,
    notes: Vec<String>,
}

/// All that can be said of the configuration in this file.
pub(super) fn report(path: &Path) -> Report {
    let (mut exposed, mut notes) = (Vec::new(), Vec::new());
    let ([access, otp], faults, warnings) = match config::load(path) {
        Ok(loaded) => {
            let of_file = loaded.warnings.iter().map(ToString::to_string);
            let of_machine = unknown_users(&loaded.config).into_iter().chain(missing_programs(&loaded.config));
            let of_machine = of_machine.chain(ended(&loaded.config, wall().unix)).chain(nowhere(&loaded.config));
            let mut warnings: Vec<String> = of_file.chain(of_machine).collect();
            (exposed, notes) = living(&loaded.config);
            warnings.extend(lines(&exposed));
            notes.extend(shown(&loaded.config));
            ([loaded.config.access.len(), loaded.config.otp.len()], Vec::new(), warnings)
        }
        Err(faults) => ([0, 0], faults.iter().map(ToString::to_string).collect(), Vec::new()),
    };
    Report { ok: faults.is_empty(), access, otp, faults, warnings, exposed, notes }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = report(&arguments.config);
    if arguments.json {
        say_json(&report)?;
    } else {
        complain_all(&report.faults);
        for warning in &report.warnings {
            complain(&format!("warning: {warning}"));
        }
        complain_all(&report.notes);
    }
    if !report.ok {
        return Err(Failure::new());
    }
    if !arguments.json {
        let path = arguments.config.display();
        let users = count(report.otp, "one-time-password user");
        let users = if report.otp > 0 { format!(" and {users}") } else { String::new() };
        say(&format!("{path}: good, {}{users} enabled\n", count(report.access, "access stanza")))?;
    }
    Ok(())
}

/// A line for each stanza whose time is over by this machine's clock.
fn ended(config: &Config, unix: u64) -> impl Iterator<Item = String> {
    let over = config.stanzas().filter(move |access| access.expires.is_some_and(|expires| expires <= unix));
    over.map(|access| {
        format!(
            "access '{}', option expires: by this machine's clock it has ended, and knocks are refused",
            access.name
        )
    })
}

/// A line where no device is named, which only OpenWrt's init script can make up for; there, nothing is said.
fn nowhere(config: &Config) -> Option<String> {
    let has_script = || Path::new("/etc/rc.common").exists();
    (config.main.devices.is_empty() && !has_script()).then(|| {
        "there is no list device, and list network is resolved by OpenWrt's init script alone: elsewhere, name the \
         devices with list device, or with run's --interface"
            .to_owned()
    })
}

/// Who sees the one-time-password page: by its nature it is the one thing that answers strangers.
fn shown(config: &Config) -> Option<String> {
    let page = config.page.as_ref().filter(|_| config.has_page())?;
    let ports: Vec<String> =
        [page.port, page.plain_port].into_iter().flatten().map(|port| format!("tcp/{port}")).collect();
    let place = if ports.is_empty() { String::new() } else { format!("{} of ", ports.join(" and ")) };
    Some(format!(
        "the one-time-password page answers whoever reaches {place}its web server, so a scan sees that it is there"
    ))
}

/// Guarded ports that this machine's ruleset opens to everybody, and what could not be told. Where a configured
/// device is not there, the configuration may be for another machine, and nothing is looked at.
fn living(config: &Config) -> (Vec<Finding>, Vec<String>) {
    let devices = &config.main.devices;
    let Ok(routes) = Routes::open(devices) else { return (Vec::new(), Vec::new()) };
    let absent = |device: &&String| *device != ANY && routes.index(device).is_none();
    if let Some(device) = devices.iter().find(absent) {
        let note = format!("device {device} is not there now: whether guarded ports are open already was not examined");
        return (Vec::new(), vec![note]);
    }
    if devices.is_empty() {
        return (Vec::new(), Vec::new());
    }
    // A daemon may have made its guard by another configuration, or may not have made it yet.
    let planned = (config.main.firewall == FirewallMode::Standalone)
        .then(|| Guard { interfaces: devices.clone(), protect: config.main.protect.clone() });
    match examine_here(devices, &guarded(config), &routes, planned.as_ref()) {
        Ok(mut examined) => {
            if config.main.firewall == FirewallMode::Fw4 && !examined.has_fw4 {
                let note = "table inet fw4 is not there: knocks are refused until the firewall is started";
                examined.not_examined.push(note.to_owned());
            }
            (examined.open, examined.not_examined)
        }
        Err(unseen) => (Vec::new(), vec![unseen.to_string()]),
    }
}
