//! `tollgate check`: lists what is wrong with a configuration, every mistake at once, or what is in
//! force; asks upstreams whether they are there.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{Config, ConfigError, EXIT_BAD_CONFIG};
use crate::gateway::{self, Gateway};
use crate::upstream::probe::probe;
use crate::upstream::target::BaseUrl;

/// Arguments of `tollgate check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// The configuration to check; without it the defaults and the environment are checked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration in force, each value with its source; secrets are left out.
    #[arg(long)]
    pub print: bool,
    /// Also connect to every upstream: report whether it replies, how fast, and with which
    /// certificate. Nothing is sent that could be charged.
    #[arg(long)]
    pub connect: bool,
}

/// The exit code if an upstream does not reply (`EX_UNAVAILABLE` of sysexits.h).
const EXIT_NO_ANSWER: u8 = 69;

/// Checks, writes the result to `out` and the mistakes to `err`, and gives the exit code: 0, 64 if
/// there are mistakes, 69 if an upstream that was asked does not reply.
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
    let unusable = Gateway::unusable_files(&config);
    if !unusable.is_empty() {
        for mistake in &unusable {
            writeln!(err, "{mistake}")?;
        }
        count(unusable.len(), err)?;
        return Ok(EXIT_BAD_CONFIG);
    }
    if args.print {
        out.write_all(config.print().as_bytes())?;
    } else {
        let name = args
            .config
            .as_ref()
            .map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
        writeln!(out, "{name}: no mistakes, {} declared accounts", config.accounts.len())?;
    }
    if args.connect { connect(&config, out, err) } else { Ok(0) }
}

/// Asks each upstream once.
fn connect(config: &Config, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = gateway::upstream_options(config).map_err(io::Error::other)?;
    let channels = config.accounts.iter().flat_map(|account| &account.channels);
    let own = channels.filter_map(|(_, channel)| channel.upstream_url.as_deref()?.parse().ok());
    let mut asked: Vec<BaseUrl> = Vec::new();
    let mut code = 0;
    for base in std::iter::once(config.upstream.url.clone()).chain(own) {
        if asked.contains(&base) {
            continue;
        }
        match runtime.block_on(probe(&base, &options)) {
            Ok(answer) => writeln!(out, "{base} {answer}")?,
            Err(reason) => {
                writeln!(err, "{base} does not answer: {reason}")?;
                code = EXIT_NO_ANSWER;
            }
        }
        asked.push(base);
    }
    Ok(code)
}

/// Writes each mistake on a line of its own, then their number.
pub fn report(mistakes: &[ConfigError], err: &mut impl Write) -> io::Result<()> {
    for mistake in mistakes {
        writeln!(err, "{mistake}")?;
    }
    count(mistakes.len(), err)
}

fn count(mistakes: usize, err: &mut impl Write) -> io::Result<()> {
    let plural = if mistakes == 1 { "mistake" } else { "mistakes" };
    writeln!(err, "{mistakes} {plural} in the configuration")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{CheckArgs, run};

    fn check(text: &str, print: bool, environment: &[(&str, &str)]) -> (u8, String, String) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a written file");
        let args = CheckArgs { config: Some(file.path().to_owned()), print, connect: false };
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
        let args =
            CheckArgs { config: Some("no/such/file.toml".into()), print: false, connect: false };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(&args, [], &mut out, &mut err).expect("writing to memory works"), 64);
        assert!(
            String::from_utf8_lossy(&err).starts_with("no/such/file.toml: cannot read the file: ")
        );
    }
}
