//! Log lines: to standard error, which procd forwards to logd, or to syslog where that feature is built in.

use std::io::Write;
use std::sync::{PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines with this target are said whatever the log level is: a program may wait for them.
pub const NOTICE: &str = "notice";

/// Which lines are written; a reload may change it.
static LEVEL: RwLock<LevelFilter> = RwLock::new(LevelFilter::Info);

/// Where the lines go.
struct Logger {
    #[cfg(feature = "syslog")]
    syslog: Option<syslog::BasicLogger>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICE || metadata.level() <= *LEVEL.read().unwrap_or_else(PoisonError::into_inner)
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
        #[cfg(feature = "syslog")]
        syslog: if to_syslog { Some(open_syslog()?) } else { None },
    };
    if cfg!(not(feature = "syslog")) && to_syslog {
        return Err("this build has no syslog; its lines go to standard error".to_owned());
    }
    set_level(level);
    // A second start in one process keeps the first logger.
    let _ = log::set_boxed_logger(Box::new(logger));
    Ok(())
}

/// Changes which lines are written.
pub fn set_level(level: LevelFilter) {
    *LEVEL.write().unwrap_or_else(PoisonError::into_inner) = level;
    log::set_max_level(level.max(LevelFilter::Info));
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
