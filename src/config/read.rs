//! From a file to a [`Config`]: every mistake is collected, then the parts are compared.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::fault::{Complaint, Fault};
use super::section::{Findings, Options, label};
use super::{
    Access, Config, FirewallMode, Main, Open, Otp, Page, access_section, main_section, options, otp_section,
    page_section,
};
use crate::input::read_up_to;
use crate::limits::{CONFIG_MAX, ENTRIES_MAX, NAME_MAX, SECTIONS_MAX, STANZAS_MAX};
use crate::net::{Port, Proto};
use crate::uci::{self, Section};

/// The section types that there are.
const KINDS: [&str; 4] = ["spa-knockd", "access", "otp", "page"];

/// A configuration without faults, and what to think about all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings, in the order of their lines.
    pub warnings: Vec<Fault>,
}

/// Reads and checks a configuration file.
///
/// # Errors
///
/// Every fault of the file, in the order of their lines; a file that cannot be read is one.
pub fn load(path: &Path) -> Result<Loaded, Vec<Fault>> {
    let name = path.display().to_string();
    let findings = Findings { file: name.clone(), faults: Vec::new(), warnings: Vec::new() };
    let (text, mode) = read(path).map_err(|error| {
        let complaint = Complaint::new(format!("cannot be read: {error}"), "check the path and its rights");
        vec![findings.at(None, None, complaint)]
    })?;
    let mut loaded = parse(&text, &name)?;
    if mode & 0o007 != 0 {
        let complaint = Complaint::new(
            format!("every user of this host can read or change the keys in it (mode {:04o})", mode & 0o7777),
            "run chmod 600 on it",
        );
        loaded.warnings.insert(0, findings.at(None, None, complaint));
    }
    Ok(loaded)
}

/// The bytes of a file, one more than the limit at most, and its mode.
fn read(path: &Path) -> std::io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    Ok((read_up_to(file, CONFIG_MAX.saturating_add(1))?, meta.permissions().mode()))
}

/// Checks a configuration text; `file` is the name that messages use.
///
/// # Errors
///
/// Every fault of the text, in the order of their lines, those about something missing last.
pub fn parse(text: &[u8], file: &str) -> Result<Loaded, Vec<Fault>> {
    let mut findings = Findings { file: file.to_owned(), faults: Vec::new(), warnings: Vec::new() };
    let sections = uci::parse(text).map_err(|mistake| {
        vec![findings.at(Some(mistake.line), None, Complaint::new(mistake.problem, mistake.remedy))]
    })?;
    if let Some(fault) = too_many(&sections, &findings) {
        return Err(vec![fault]);
    }
    check_names(&sections, &mut findings);
    let main = read_main(&sections, &mut findings);
    let access = read_access(&sections, &mut findings);
    let otp = read_otp(&sections, &mut findings);
    let page = read_page(&sections, &mut findings);
    if access.as_ref().is_some_and(Vec::is_empty) && otp.is_empty() {
        let complaint = Complaint::new("no access section is switched on", "write config access 'NAME' with its keys");
        let fault = findings.at(None, None, complaint);
        findings.faults.push(fault);
    }
    let config = main.map(|(section, main)| {
        let mut config = Config { main, access: access.unwrap_or_default(), otp, page };
        compare(&mut config, section, &sections, &mut findings);
        config
    });
    let by_line = |fault: &Fault| fault.line.unwrap_or(u32::MAX);
    findings.faults.sort_by_key(by_line);
    findings.warnings.sort_by_key(by_line);
    match config {
        Some(config) if findings.faults.is_empty() => Ok(Loaded { config, warnings: findings.warnings }),
        _ => Err(findings.faults),
    }
}

/// More sections, or lines in a section, than can be compared with each other in good time.
fn too_many(sections: &[Section], findings: &Findings) -> Option<Fault> {
    if let Some(section) = sections.get(SECTIONS_MAX) {
        let problem = format!("there are more than {SECTIONS_MAX} sections");
        let complaint = Complaint::new(problem, "remove those that nobody uses");
        return Some(findings.at(Some(section.line), None, complaint));
    }
    sections.iter().find_map(|section| {
        let entry = section.entries.get(ENTRIES_MAX)?;
        let problem = format!("the section has more than {ENTRIES_MAX} options");
        let complaint = Complaint::new(problem, "join addresses to networks, or make two sections");
        Some(findings.at(Some(entry.line), Some(label(section)), complaint))
    })
}

/// Types that nobody reads, and names that two sections have or one has not.
fn check_names(sections: &[Section], findings: &mut Findings) {
    for (index, section) in sections.iter().enumerate() {
        let mut refuse = |problem: String, remedy: String| {
            let fault = findings.at(Some(section.line), Some(label(section)), Complaint::new(problem, remedy));
            findings.faults.push(fault);
        };
        if !KINDS.contains(&section.kind.as_str()) {
            let remedy = options::nearest(&section.kind, KINDS.into_iter())
                .map_or_else(|| "write config access 'NAME'".to_owned(), |kind| format!("did you mean '{kind}'?"));
            refuse("there is no such section type".to_owned(), remedy);
            continue;
        }
        let Some(name) = &section.name else {
            let remedy = match section.kind.as_str() {
                "access" => "config access 'alice'",
                "otp" => "config otp 'alice'",
                "page" => "config page 'page'",
                _ => "config spa-knockd 'main'",
            };
            refuse("the section has no name".to_owned(), format!("give it one, as in {remedy}"));
            continue;
        };
        if name.len() > NAME_MAX {
            refuse(format!("the name is longer than {NAME_MAX} bytes"), "shorten it".to_owned());
        }
        let earlier = sections.iter().take(index).find(|other| other.name.as_ref() == Some(name));
        if let Some(earlier) = earlier {
            let problem = format!("line {} has a section of this name", earlier.line);
            refuse(problem, "give every section its own name".to_owned());
        }
    }
}

/// Reads the main section; `None` where there is not exactly one.
fn read_main<'a>(sections: &'a [Section], findings: &mut Findings) -> Option<(&'a Section, Main)> {
    let mut found = None;
    for section in sections.iter().filter(|section| section.kind == "spa-knockd") {
        let main = main_section::read(&mut Options::new(section, options::MAIN, findings));
        if section.name.as_deref().is_some_and(|name| name != "main") {
            let complaint = Complaint::new("this section must be named 'main'", "write config spa-knockd 'main'");
            let fault = findings.at(Some(section.line), Some(label(section)), complaint);
            findings.faults.push(fault);
        } else if found.is_none() {
            found = Some((section, main));
        }
    }
    if !sections.iter().any(|section| section.kind == "spa-knockd") {
        let complaint = Complaint::new("the main section is missing", "begin with config spa-knockd 'main'");
        let fault = findings.at(None, None, complaint);
        findings.faults.push(fault);
    }
    found
}

/// Reads the access stanzas, and keeps those that are switched on; `None` where there are too many to read.
fn read_access(sections: &[Section], findings: &mut Findings) -> Option<Vec<Access>> {
    let stanzas: Vec<_> = sections.iter().filter(|section| section.kind == "access").collect();
    if let Some(first) = stanzas.get(STANZAS_MAX) {
        let problem =
            format!("there are more than {STANZAS_MAX} access sections, and junk packets are tried with each");
        let fault = findings.at(Some(first.line), None, Complaint::new(problem, "remove those that nobody uses"));
        findings.faults.push(fault);
        return None;
    }
    let mut access = Vec::new();
    for section in stanzas {
        let mut options = Options::new(section, options::ACCESS, findings);
        access.extend(access_section::read(section.name.as_deref().unwrap_or_default(), &mut options));
    }
    Some(access)
}

/// Reads the sections of one-time passwords, and keeps those that are switched on.
fn read_otp(sections: &[Section], findings: &mut Findings) -> Vec<Otp> {
    let mut otp = Vec::new();
    for section in sections.iter().filter(|section| section.kind == "otp") {
        let mut options = Options::new(section, options::OTP, findings);
        otp.extend(otp_section::read(section.name.as_deref().unwrap_or_default(), &mut options));
    }
    otp
}

/// Reads the section of the page; `None` where it is not switched on.
fn read_page(sections: &[Section], findings: &mut Findings) -> Option<Page> {
    let mut found = None;
    for section in sections.iter().filter(|section| section.kind == "page") {
        let page = page_section::read(&mut Options::new(section, options::PAGE, findings));
        if section.name.as_deref().is_some_and(|name| name != "page") {
            let complaint = Complaint::new("this section must be named 'page'", "write config page 'page'");
            let fault = findings.at(Some(section.line), Some(label(section)), complaint);
            findings.faults.push(fault);
        } else if found.is_none() {
            found = page;
        }
    }
    found
}

/// What the sections say about each other.
fn compare(config: &mut Config, main: &Section, sections: &[Section], findings: &mut Findings) {
    if config.main.firewall == FirewallMode::Standalone {
        guard(config, main, findings);
        let guarded = |listener| Port { proto: Proto::Tcp, number: listener };
        if let Some(port) = config.main.tcp_listen.map(guarded)
            && config.main.protect.contains(&port)
        {
            let problem = format!("firewall 'standalone' guards {port}, so nobody could knock at the listener there");
            let complaint = Complaint::new(problem, "let tcp_listen name another port than those of protect and open");
            let fault = findings.at(Some(main.line), Some(label(main)), complaint);
            findings.faults.push(fault);
        }
    }
    compare_page(config, sections, findings);
    let place = |access: &Access| {
        let section =
            sections.iter().find(|section| section.kind != "spa-knockd" && section.name.as_ref() == Some(&access.name));
        (section.map(|section| section.line), section.map(label))
    };
    for (index, access) in config.stanzas().enumerate() {
        let mut warn = |problem: String, remedy: &str| {
            let (line, section) = place(access);
            let warning = findings.at(line, section, Complaint::new(problem, remedy));
            findings.warnings.push(warning);
        };
        let longest = access.timeout.max(access.max_timeout);
        if longest > config.main.max_timeout {
            let problem =
                format!("its timeouts are cut to the {} seconds of main's max_timeout", config.main.max_timeout);
            warn(problem, "raise max_timeout in main, or lower timeout and max_timeout here");
        }
        let twin = config.stanzas().take(index).find(|other| {
            let one = other.keys.first().map(|keys| (&keys.key, keys.hmac.is_some()));
            let two = access.keys.first().map(|keys| (&keys.key, keys.hmac.is_some()));
            one.zip(two).is_some_and(|((one, with), (two, without))| one == two && with != without)
        });
        if let Some(twin) = twin {
            let problem =
                format!("'{}' has the same encryption key, and only one of the two asks for an HMAC", twin.name);
            warn(problem, "give every stanza its own keys");
        }
    }
}

/// Whether somebody can use the page, and reach it.
fn compare_page(config: &Config, sections: &[Section], findings: &mut Findings) {
    let Some(page) = &config.page else { return };
    let section = sections.iter().find(|section| section.kind == "page");
    let (line, name) = (section.map(|section| section.line), section.map(label));
    if config.otp.is_empty() {
        let complaint = Complaint::new(
            "no section of one-time passwords is switched on, so there is no page",
            "write config otp 'NAME', or option enabled '0' here",
        );
        let warning = findings.at(line, name.clone(), complaint);
        findings.warnings.push(warning);
    }
    for number in [page.port, page.plain_port].into_iter().flatten() {
        let port = Port { proto: Proto::Tcp, number };
        let taken = if config.main.tcp_listen == Some(number) {
            "tcp_listen has it already"
        } else if config.main.firewall == FirewallMode::Standalone && config.main.protect.contains(&port) {
            "firewall 'standalone' guards it, so nobody could see the page"
        } else {
            continue;
        };
        let complaint = Complaint::new(format!("the page cannot be at {port}: {taken}"), "let it have another port");
        let fault = findings.at(line, name.clone(), complaint);
        findings.faults.push(fault);
    }
}

/// Which ports standalone mode guards.
fn guard(config: &mut Config, main: &Section, findings: &mut Findings) {
    let mut opened = Vec::new();
    let mut any = false;
    for access in config.stanzas() {
        match &access.open {
            Open::Any => any = true,
            Open::Ports(ports) => opened.extend(ports.iter().copied()),
        }
        opened.extend(access.forward.iter().filter_map(|through| through.outside));
        any |= access.forward.iter().any(|through| through.outside.is_none());
    }
    opened.sort_unstable();
    opened.dedup();
    if config.main.protect.is_empty() {
        if any {
            let problem = "firewall 'standalone' cannot know what to guard, because a stanza says 'any'";
            let remedy = "name the ports, as in list protect 'tcp/22'";
            let fault = findings.at(Some(main.line), Some(label(main)), Complaint::new(problem, remedy));
            findings.faults.push(fault);
        }
        config.main.protect = opened;
        return;
    }
    for port in opened.iter().filter(|port| !config.main.protect.contains(port)) {
        let problem =
            format!("{port} may be opened and is not in protect, so firewall 'standalone' leaves it open to all");
        let remedy = format!("write list protect '{port}'");
        let warning = findings.at(Some(main.line), Some(label(main)), Complaint::new(problem, remedy));
        findings.warnings.push(warning);
    }
}
