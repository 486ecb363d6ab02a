//! API keys: from environment variables or files that the configuration names. Never on the command line, never shown.

use crate::config::Loaded;
use crate::config::schema::Venue;
use crate::exit::Failure;
use crate::registry;
use secrecy::SecretString;

/// What a variable's name ends with that names a file instead of holding the value, as containers hand out secrets.
const FILE_SUFFIX: &str = "_FILE";

/// Key and secret of one venue account.
pub struct KeyPair {
    /// API key.
    pub key: SecretString,
    /// API secret.
    pub secret: SecretString,
}

/// Reads a venue's key pair from where the configuration says.
///
/// # Errors
/// Exit code 3 with the variable or file that is missing, empty or readable by others.
pub fn key_pair(loaded: &Loaded, index: usize) -> Result<KeyPair, Failure> {
    let venue = &loaded.config.venue[index];
    let (default_key, default_secret) = registry::connector(&venue.kind).map_or(("", ""), |c| c.default_key_env());
    Ok(KeyPair {
        key: read(loaded, index, venue, "key", venue.key_file.as_deref(), venue.key_env.as_deref().unwrap_or(default_key))?,
        secret: read(
            loaded,
            index,
            venue,
            "secret",
            venue.secret_file.as_deref(),
            venue.secret_env.as_deref().unwrap_or(default_secret),
        )?,
    })
}

/// Says once which keys came from the environment. Called when all were read: a run that does not start tells its one reason only.
pub fn warn_of_environment(loaded: &Loaded) {
    let mut variables = Vec::new();
    for venue in &loaded.config.venue {
        let (default_key, default_secret) = registry::connector(&venue.kind).map_or(("", ""), |c| c.default_key_env());
        let key = venue.key_env.as_deref().unwrap_or(default_key);
        let secret = venue.secret_env.as_deref().unwrap_or(default_secret);
        variables.extend((venue.key_file.is_none() && set(key).is_some()).then_some(key));
        variables.extend((venue.secret_file.is_none() && set(secret).is_some()).then_some(secret));
    }
    if !variables.is_empty() {
        tracing::warn!(
            "API keys come from the environment ({}), where child processes and /proc show them to this user; key_file and secret_file \
             name files instead",
            variables.join(", ")
        );
    }
}

fn read(
    loaded: &Loaded,
    index: usize,
    venue: &Venue,
    what: &str,
    file: Option<&str>,
    variable: &str,
) -> Result<SecretString, Failure> {
    if let Some(path) = file {
        return read_file(path, &|why| loaded.error(&format!("venue[{index}].{what}_file"), why).into());
    }
    if let Some(value) = set(variable) {
        return Ok(SecretString::from(value));
    }
    let by_file = format!("{variable}{FILE_SUFFIX}");
    if let Some(path) = set(&by_file) {
        return read_file(&path, &|why| Failure::config(format!("environment variable {by_file}: {why}")));
    }
    let message = format!(
        "the environment variable {variable} (API {what} of venue `{}`) is not set; export it, or name a file with {what}_file or {by_file}",
        venue.id
    );
    Err(loaded.error(&format!("venue[{index}].{what}_env"), message).into())
}

/// The value of a variable that holds something.
fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
}

fn read_file(path: &str, refuse: &dyn Fn(String) -> Failure) -> Result<SecretString, Failure> {
    let meta = std::fs::metadata(path).map_err(|e| refuse(format!("can't read {path}: {e}")))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if !meta.is_file() {
            return Err(refuse(format!("{path} is no regular file")));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(refuse(format!("{path} is readable by others; run: chmod 600 {path}")));
        }
        let user = rustix::process::geteuid().as_raw();
        if meta.uid() != user {
            let why = format!(
                "{path} belongs to user {} and crossgate runs as user {user}; whoever owns it can change the key",
                meta.uid()
            );
            return Err(refuse(format!("{why}: chown it")));
        }
    }
    if meta.len() > 4096 {
        return Err(refuse(format!("{path} is too large for a key")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refuse(format!("can't read {path}: {e}")))?;
    let text = text.trim();
    if text.is_empty() { Err(refuse(format!("{path} is empty"))) } else { Ok(SecretString::from(text.to_string())) }
}
