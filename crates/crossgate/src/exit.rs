//! Exit codes: 0 done · 1 failed · 2 usage · 3 config invalid · 4 authentication or permission refused · 5 halted by the kill
//! latch · 6 unclean: orders or exposure may be open.

use crate::config::ConfigError;
use crate::guard::plain;
use std::fmt;

/// Why a command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One sentence: what, where, how to fix. Its control characters are shown, not obeyed: parts of it may be a venue's.
    pub message: String,
}

impl Failure {
    /// Exit code 1.
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure { code: 1, message: plain(&message.to_string()) }
    }

    /// Exit code 2.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { code: 2, message: plain(&message.to_string()) }
    }

    /// Exit code 3.
    pub fn config(message: impl fmt::Display) -> Failure {
        Failure { code: 3, message: plain(&message.to_string()) }
    }

    /// Exit code 4.
    pub fn auth(message: impl fmt::Display) -> Failure {
        Failure { code: 4, message: plain(&message.to_string()) }
    }

    /// Exit code 5.
    pub fn latched(message: impl fmt::Display) -> Failure {
        Failure { code: 5, message: plain(&message.to_string()) }
    }

    /// Exit code 6.
    pub fn unclean(message: impl fmt::Display) -> Failure {
        Failure { code: 6, message: plain(&message.to_string()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::config(error)
    }
}
