//! `tollgate check`: lists what is wrong with a configuration, every mistake at once, or what is in
//! force.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{Config, ConfigError, EXIT_BAD_CONFIG};

/// Arguments of `tollgate check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// The configuration to check; without it the defaults and the environment are checked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration in force, each value with its source; secrets are left out.
    #[arg(long)]
    pub print: bool,
}

/// Checks, writes the result to `out` and the mistakes to `err`, and gives the exit code: 0, or 64
/// if there are mistakes.
pub fn run(
    args: &CheckArgs,
    environment: impl IntoIterator<Item = (String, String)>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let config = match Config::load(args.config.as_deref(), environment) {
        Ok(config) => config,
        Err(mistakes) => {
            report(&mistakes, err)?;
            return Ok(EXIT_BAD_CONFIG);
        }
    };
    if args.print {
        out.write_all(config.print().as_bytes())?;
    } else {
        let name = args
            .config
            .as_ref()
            .map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
        writeln!(out, "{name}: no mistakes, {} declared accounts", config.accounts.len())?;
    }
    Ok(0)
}

/// Writes each mistake on a line of its own, then their number.
pub fn report(mistakes: &[ConfigError], err: &mut impl Write) -> io::Result<()> {
    for mistake in mistakes {
        writeln!(err, "{mistake}")?;
    }
    let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    writeln!(err, "{} {plural} in the configuration", mistakes.len())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{CheckArgs, run};

    fn check(text: &str, print: bool, environment: &[(&str, &str)]) -> (u8, String, String) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a written file");
        let args = CheckArgs { config: Some(file.path().to_owned()), print };
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, environment, &mut out, &mut err).expect("writing to memory works");
        let text = |bytes| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&file.path().display().to_string(), "FILE")
        };
        (code, text(out), text(err))
    }

    #[test]
    fn a_good_file_is_one_line() {
        let expected = (0, "FILE: no mistakes, 0 declared accounts\n".to_owned(), String::new());
        assert_eq!(check("[log]\nlevel = \"warn\"", false, &[]), expected);
    }

    #[test]
    fn mistakes_go_to_stderr_and_end_with_64() {
        let expected = "FILE:2: log.level: must be text, not a whole number\n\
                        TOLLGATE__LOG__FORMTA: log.formta: is not a known key; \
                        did you mean \"format\"?\n\
                        2 mistakes in the configuration\n";
        let answer = check("[log]\nlevel = 3", true, &[("TOLLGATE__LOG__FORMTA", "text")]);
        assert_eq!(answer, (64, String::new(), expected.to_owned()));
    }

    #[test]
    fn printing_leaves_secrets_out() {
        let (code, out, err) =
            check("", true, &[("TOLLGATE__ADMIN__BOOTSTRAP_KEY", "0123456789abcdef")]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            out.contains("\nbootstrap_key = \"<redacted>\" # TOLLGATE__ADMIN__BOOTSTRAP_KEY\n"),
            "{out}"
        );
        assert!(!out.contains("0123456789abcdef"), "{out}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_mistake() {
        let args = CheckArgs { config: Some("no/such/file.toml".into()), print: false };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(&args, [], &mut out, &mut err).expect("writing to memory works"), 64);
        assert!(
            String::from_utf8_lossy(&err).starts_with("no/such/file.toml: cannot read the file: ")
        );
    }
}
