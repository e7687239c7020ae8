//! Log lines: to standard error, which procd forwards to logd, or to syslog where that feature is built in.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines with this target are said whatever the log level is: a program may wait for them.
pub const NOTICE: &str = "notice";

/// Where the lines go, and which.
struct Logger {
    level: LevelFilter,
    #[cfg(feature = "syslog")]
    syslog: Option<syslog::BasicLogger>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICE || metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        #[cfg(feature = "syslog")]
        if let Some(syslog) = &self.syslog {
            syslog.log(record);
            return;
        }
        let severity = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        // One write, so that no other program's line gets between; where it fails, there is nobody left to tell.
        let line = format!("spa-knockd: {severity}{}\n", record.args());
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Begins to log to standard error, or to syslog.
///
/// # Errors
/// One line, where syslog is asked for and cannot be had.
pub fn start(level: LevelFilter, to_syslog: bool) -> Result<(), String> {
    let logger = Logger {
        level,
        #[cfg(feature = "syslog")]
        syslog: if to_syslog { Some(open_syslog()?) } else { None },
    };
    if cfg!(not(feature = "syslog")) && to_syslog {
        return Err("this build has no syslog; its lines go to standard error".to_owned());
    }
    log::set_max_level(level.max(LevelFilter::Info));
    // A second start in one process keeps the first logger.
    let _ = log::set_boxed_logger(Box::new(logger));
    Ok(())
}

#[cfg(feature = "syslog")]
fn open_syslog() -> Result<syslog::BasicLogger, String> {
    let formatter = syslog::Formatter3164 {
        facility: syslog::Facility::LOG_DAEMON,
        hostname: None,
        process: "spa-knockd".to_owned(),
        pid: std::process::id(),
    };
    let logger = syslog::unix(formatter).map_err(|error| format!("syslog: {error}"))?;
    Ok(syslog::BasicLogger::new(logger))
}
