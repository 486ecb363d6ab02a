//! Reading a configuration: file, then environment, then checks.

use super::check;
use super::locate::{line_at, line_of, path_at};
use super::schema::{Config, Ops};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;

/// Variables that outrank the file begin so.
const PREFIX: &str = "CROSSGATE__";
/// Largest configuration file read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Something wrong with the configuration: exit code 3. One sentence: what, where, how to fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Effective values.
    pub config: Config,
    /// File name for messages.
    pub origin: String,
    /// The file's text, for line numbers.
    pub text: String,
    /// Environment variables that outrank the file.
    overrides: Vec<String>,
}

impl Loaded {
    /// An error about a key of this configuration.
    pub fn error(&self, path: &str, what: impl std::fmt::Display) -> ConfigError {
        if let Some(name) = self.overrides.iter().find(|name| path_of_variable(name) == path) {
            return ConfigError(format!("environment variable {name}: {path}: {what}"));
        }
        error_at(&self.origin, &self.text, path, what)
    }
}

/// An error about a key: `FILE:LINE: key: what`.
pub fn error_at(origin: &str, text: &str, path: &str, what: impl std::fmt::Display) -> ConfigError {
    match line_of(text, path) {
        Some(line) => ConfigError(format!("{origin}:{line}: {path}: {what}")),
        None => ConfigError(format!("{origin}: {path}: {what}")),
    }
}

/// Reads and checks a file.
///
/// # Errors
/// [`ConfigError`] when the file can't be read or anything in it is wrong.
pub fn load(path: &str) -> Result<Loaded, ConfigError> {
    load_text(path, &read_text(path)?, &environment()?)
}

fn read_text(path: &str) -> Result<String, ConfigError> {
    let unread = |e: std::io::Error| ConfigError(format!("{path}: can't read the configuration: {e}; name a file with -c"));
    let mut text = String::new();
    // Bounded before it is read: a device or a pipe has no length to ask for.
    std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)).map_err(unread)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError(format!("{path}: it is larger than {FILE_BYTES_MAX} bytes; is this the configuration?")));
    }
    Ok(text)
}

/// As [`load`], of a file that the program carries.
///
/// # Errors
/// As [`load`].
pub fn load_built_in(name: &str, text: &str) -> Result<Loaded, ConfigError> {
    load_text(&format!("{name} (built in)"), text, &environment()?)
}

/// Where an engine without a file of its own is talked to: the variables of `[ops]` over the text that the program carries. No other
/// variable can keep a person from halting it.
///
/// # Errors
/// As [`load`].
pub fn ops_of_environment(name: &str, text: &str) -> Result<Ops, ConfigError> {
    let mut env = environment()?;
    env.retain(|name, _| path_of_variable(name).starts_with("ops."));
    Ok(load_text(&format!("{name} (built in)"), text, &env)?.config.ops)
}

/// Where the engine of a file is talked to: its `[ops]`, and nothing else of it, so that a mistake elsewhere in the file keeps nobody from
/// halting the engine that was started with it.
///
/// # Errors
/// As [`load`], of what is no TOML or wrong in `[ops]`.
pub fn ops_of_file(path: &str) -> Result<Ops, ConfigError> {
    ops_of_text(path, &read_text(path)?, &environment()?)
}

fn ops_of_text(path: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Ops, ConfigError> {
    let wrong = |what: String| ConfigError(format!("{path}: {what}; correct it, or leave the file out and name --ops ADDR"));
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| wrong(e.message().replace('\n', " ")))?;
    table.retain(|key, _| key == "ops");
    for (name, value) in env.iter().filter(|(name, _)| path_of_variable(name).starts_with("ops.")) {
        overlay(&mut table, name, value)?;
    }
    let ops: Ops = match table.remove("ops") {
        Some(ops) => ops.try_into().map_err(|e: toml::de::Error| wrong(format!("ops: {}", e.message().replace('\n', " "))))?,
        None => Ops::default(),
    };
    super::check::variable_name(&ops.token_env).map_err(|what| wrong(format!("ops.token_env {what}")))?;
    Ok(ops)
}

/// Our variables of the environment. Others may hold anything.
fn environment() -> Result<BTreeMap<String, String>, ConfigError> {
    overrides_in(std::env::vars_os())
}

fn overrides_in(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>, ConfigError> {
    let ours = variables.filter_map(|(name, value)| Some((name.into_string().ok().filter(|n| n.starts_with(PREFIX))?, value)));
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError(format!("environment variable {name}: its value is no UTF-8 text; set it anew or unset it"))),
    })
    .collect()
}

/// As [`load`], from a text and an environment.
///
/// # Errors
/// As [`load`].
pub fn load_text(origin: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
    let tell = |error: toml::de::Error| {
        let message = error.message().replace('\n', " ");
        match error.span() {
            Some(span) => ConfigError(format!("{origin}:{}: {}", line_at(text, span.start), explain(&message, text, span))),
            None => ConfigError(format!("{origin}: {message}")),
        }
    };
    let mut config: Config = toml::from_str(text).map_err(tell)?;
    let overrides: Vec<(&String, &String)> = env.iter().filter(|(k, _)| k.starts_with(PREFIX)).collect();
    let names: Vec<String> = overrides.iter().map(|(name, _)| (*name).clone()).collect();
    if !overrides.is_empty() {
        let mut table: toml::Table = text.parse().map_err(tell)?;
        for (name, value) in overrides {
            overlay(&mut table, name, value)?;
        }
        // The file alone was read without a fault: whatever is wrong now is one of the variables.
        config = serde_path_to_error::deserialize(table).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message().replace('\n', " ");
            let set_by = |name: &&String| {
                let set = path_of_variable(name);
                set == path || set.starts_with(&format!("{path}.")) || path.starts_with(&format!("{set}."))
            };
            let told = names.iter().find(set_by).map_or_else(|| names.join(", "), Clone::clone);
            let remedy = remedy(&message);
            ConfigError(format!("environment variable {told} (over {origin}): {path}: {message}{remedy}"))
        })?;
    }
    let loaded = Loaded { config, origin: origin.into(), text: text.into(), overrides: names };
    check::check(&loaded)?;
    Ok(loaded)
}

/// Adds the offending key or value to messages that do not name it.
fn explain(message: &str, text: &str, span: std::ops::Range<usize>) -> String {
    let snippet: String =
        text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default().chars().take(60).collect();
    let remedy = remedy(message);
    // The key whose value is wrong, unless the message names a key itself.
    let named = message.starts_with("unknown field") || message.starts_with("missing field");
    let key = path_at(text, span.start).filter(|_| !named).map_or_else(String::new, |path| path + ": ");
    if message.contains(&snippet) || snippet.is_empty() {
        format!("{key}{message}{remedy}")
    } else {
        format!("{key}`{snippet}`: {message}{remedy}")
    }
}

/// What to do about it, where the message alone does not say.
fn remedy(message: &str) -> &'static str {
    if message.starts_with("unknown field") {
        "; remove it or correct its spelling (`crossgate config schema` lists all keys)"
    } else if message.starts_with("missing field") {
        "; add it (`crossgate config schema` lists all keys)"
    } else {
        ""
    }
}

/// The path that `CROSSGATE__SECTION__KEY` sets.
fn path_of_variable(name: &str) -> String {
    name.trim_start_matches(PREFIX).to_ascii_lowercase().replace("__", ".")
}

/// Sets `CROSSGATE__SECTION__KEY` in the table. Values are read as TOML where they parse as a scalar of it, else as text.
fn overlay(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let path: Vec<String> = name.trim_start_matches(PREFIX).split("__").map(str::to_ascii_lowercase).collect();
    let refuse = || ConfigError(format!("environment variable {name}: no such key; write CROSSGATE__SECTION__KEY"));
    let (key, sections) = path.split_last().filter(|(k, _)| !k.is_empty()).ok_or_else(refuse)?;
    let mut at = table;
    for section in sections {
        let entry = at.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = entry.as_table_mut().ok_or_else(refuse)?;
    }
    let scalar = match value {
        "true" => toml::Value::Boolean(true),
        "false" => toml::Value::Boolean(false),
        _ => value.parse::<i64>().map_or_else(|_| toml::Value::String(value.into()), toml::Value::Integer),
    };
    at.insert(key.clone(), scalar);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../../configs/demo.toml");

    fn load(text: &str) -> Result<Loaded, ConfigError> {
        load_text("demo.toml", text, &BTreeMap::new())
    }

    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        assert!(GOOD.contains(from), "the demo configuration has no `{from}`");
        let error = load(&GOOD.replacen(from, to, 1)).unwrap_err().0;
        assert!(error.contains(expected), "{error}");
        assert!(error.starts_with("demo.toml:"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn times_and_caps_that_no_engine_can_keep_are_refused() {
        check("hedge_pause = \"250ms\"", "hedge_pause = \"0s\"", "execution.hedge_pause: 0s is too short: a hedge needs");
        check("hedge_pause = \"250ms\"", "hedge_pause = \"5us\"", "use \"10ms\" or more");
        check("flatten_cap_bps = \"200\"", "flatten_cap_bps = \"20\"", "must not be below complete_cap_bps");
        check("latency_allowance_bps = \"1\"", "latency_allowance_bps = \"-1\"", "strategy.latency_allowance_bps: it is a cost");
        // A simulated venue hides nothing unless told to; a real one may.
        load(&GOOD.replacen("visibility_window = \"10s\"", "visibility_window = \"1s\"", 1)).unwrap();
        let testnet = include_str!("../../../../configs/testnet.toml");
        let hasty = testnet.replacen("visibility_window = \"10s\"", "visibility_window = \"9s\"", 1);
        let error = load_text("testnet.toml", &hasty, &BTreeMap::new()).unwrap_err().0;
        assert!(error.contains("execution.visibility_window: 9s is too short: a venue may hide a new order for 10s"), "{error}");
    }

    /// A second row would never be looked at, and a hedge that may cost nothing never leaves.
    #[test]
    fn limits_that_would_not_be_in_force_are_refused() {
        check("flatten_cap_bps = \"200\"", "flatten_cap_bps = \"0\"", "must not be below complete_cap_bps");
        let caps = |flatten: &str| {
            let text = ["complete", "reverse", "flatten"].iter().fold(GOOD.to_string(), |text, cap| {
                let start = text.find(&format!("{cap}_cap_bps")).unwrap();
                let end = start + text[start..].find('\n').unwrap();
                format!("{}{cap}_cap_bps = \"{flatten}\"{}", &text[..start], &text[end..])
            });
            load(&text)
        };
        caps("20").unwrap();
        for none in ["0", "-5"] {
            let error = caps(none).unwrap_err().0;
            assert!(error.contains("execution.flatten_cap_bps: every hedge pays the venue's fee at least"), "{error}");
        }
        let floor = |amount: u32| format!("\n[[risk.floor]]\nvenue = \"gate\"\nasset = \"USDT\"\namount = \"{amount}\"\n");
        load(&format!("{GOOD}{}", floor(5))).unwrap();
        let error = load(&format!("{GOOD}{}{}", floor(5), floor(500))).unwrap_err().0;
        assert!(error.contains("risk.floor[1].asset: `USDT` on `gate` has a floor already; keep one"), "{error}");
        let largest = |symbol: &str| format!("\n[[risk.order_qty]]\nsymbol = \"{symbol}\"\nmax = \"1\"\n");
        load(&format!("{GOOD}{}", largest("BTC/USDT"))).unwrap();
        let error = load(&format!("{GOOD}{}{}", largest("BTC/USDT"), largest("BTC_USDT"))).unwrap_err().0;
        assert!(error.contains("risk.order_qty[1].symbol: `BTC_USDT` has a largest quantity already; keep one"), "{error}");
    }

    #[test]
    fn a_secret_in_the_place_of_a_variables_name_is_refused_and_not_shown() {
        let testnet = include_str!("../../../../configs/testnet.toml");
        let secret = "5fd1a0b2c3d4e5f6";
        for (name, path) in [("GATE_API_KEY", "venue[0].key_env"), ("GATE_API_SECRET", "venue[0].secret_env")] {
            let text = testnet.replacen(&format!("\"{name}\""), &format!("\"{secret}\""), 1);
            let error = load_text("testnet.toml", &text, &BTreeMap::new()).unwrap_err().0;
            assert!(error.contains(&format!("{path}: is not the name of an environment variable")), "{error}");
            assert!(!error.contains(secret), "{error}");
        }
        let ops = format!("[ops]\ntoken_env = \"{secret}\"\n");
        let error = ops_of_text("live.toml", &ops, &BTreeMap::new()).unwrap_err().0;
        assert!(error.contains("ops.token_env is not the name of an environment variable") && !error.contains(secret), "{error}");
    }

    #[test]
    fn variables_of_others_may_hold_anything() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        let foreign = [(bytes(b"FOO"), bytes(b"\xff")), (bytes(b"\xfe"), bytes(b"1")), (bytes(b"CROSSGATE__SEED"), bytes(b"3"))];
        assert_eq!(overrides_in(foreign.into_iter()).unwrap(), BTreeMap::from([("CROSSGATE__SEED".into(), "3".into())]));
        let ours = [(bytes(b"CROSSGATE__OPS__LISTEN"), bytes(b"\xff"))];
        let error = overrides_in(ours.into_iter()).unwrap_err().0;
        assert_eq!(error, "environment variable CROSSGATE__OPS__LISTEN: its value is no UTF-8 text; set it anew or unset it");
    }

    #[test]
    fn a_mistake_elsewhere_in_a_file_keeps_nobody_from_its_engine() {
        let ops =
            |text: &str, env: &BTreeMap<String, String>| ops_of_text("live.toml", text, env).map(|o| (o.listen, o.token_env));
        let text = "mode = \"lively\"\nsede = 1\n[ops]\nlisten = \"127.0.0.1:7\"\n[risk]\n";
        let default = Ops::default().token_env;
        assert_eq!(ops(text, &BTreeMap::new()), Ok(("127.0.0.1:7".into(), default.clone())));
        let env = BTreeMap::from([
            ("CROSSGATE__OPS__LISTEN".to_string(), "127.0.0.1:8".to_string()),
            ("CROSSGATE__MODE".into(), "nonsense".into()),
        ]);
        assert_eq!(ops(text, &env), Ok(("127.0.0.1:8".into(), default.clone())));
        assert_eq!(ops("", &BTreeMap::new()), Ok((Ops::default().listen, default)));
        for (text, told) in [("[ops]\nlisten = 5\n", "live.toml: ops: "), ("[ops\n", "live.toml: ")] {
            let error = ops(text, &BTreeMap::new()).unwrap_err().0;
            assert!(error.starts_with(told) && error.contains("--ops ADDR"), "{error}");
        }
    }

    #[test]
    fn floors_and_limits_that_would_protect_nothing_are_refused() {
        let testnet = include_str!("../../../../configs/testnet.toml");
        let told = |text: &str| load_text("testnet.toml", text, &BTreeMap::new()).map(|_| ()).map_err(|e| e.0);
        let floor = |asset: &str| format!("{testnet}\n[[risk.floor]]\nvenue = \"gate\"\nasset = \"{asset}\"\namount = \"5\"\n");
        assert_eq!(told(&floor("USDT")), Ok(()));
        assert_eq!(told(&floor("GT")), Ok(()), "a fee is paid in it");
        let error = told(&floor("USTD")).unwrap_err();
        assert!(error.contains("risk.floor[0].asset: neither a configured pair nor a fee on `gate` uses `USTD`"), "{error}");
        let line = testnet.lines().find(|line| line.starts_with("orders_per_second_max")).unwrap();
        let error = told(&testnet.replacen(line, "", 1)).unwrap_err();
        assert!(error.contains("risk.orders_per_second_max: is required in mode `live`"), "{error}");
    }

    #[test]
    fn the_demo_is_valid() {
        let loaded = load(GOOD).unwrap();
        assert_eq!(loaded.config.mode, super::super::Mode::Sim);
    }

    #[test]
    fn wrong_keys_units_pairs_and_kinds_are_told_with_their_line() {
        check("seed = ", "sede = ", "unknown field `sede`");
        check("BTC/USDT", "btc/usdt", "is no symbol");
        check("BTC/USDT", "BTC/USDT:USDT", "only spot pairs are traded");
        check("kind = \"gate\"", "kind = \"gait\"", "no exchange `gait`");
        check("min_edge_bps = \"", "min_edge_bps = \"x", "no decimal number");
        check("book_age_max = \"", "book_age_max = \"1 ", "no duration");
        check("id = \"gate\"", "id = \"Gate A\"", "[a-z0-9-]");
        check("id = \"bybit\"", "id = \"gate\"", "used twice");
        check("mode = \"sim\"", "mode = \"simulate\"", "simulate");
    }

    #[test]
    fn the_environment_outranks_the_file() {
        let env = BTreeMap::from([
            ("CROSSGATE__STRATEGY__MIN_EDGE_BPS".to_string(), "7.5".to_string()),
            ("CROSSGATE__SEED".into(), "9".into()),
        ]);
        let loaded = load_text("demo.toml", GOOD, &env).unwrap();
        assert_eq!((loaded.config.strategy.min_edge_bps.to_string().as_str(), loaded.config.seed), ("7.5", 9));
        let wrong = BTreeMap::from([("CROSSGATE__STRATEGY__MIN_EGDE_BPS".to_string(), "7.5".to_string())]);
        assert!(load_text("demo.toml", GOOD, &wrong).unwrap_err().0.contains("unknown field"));
    }
}
