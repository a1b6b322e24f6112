//! Channels' Meta tokens, from the environment or from files that are read again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::documents::ChannelSettings;
use super::token_names::{VariablePattern, validate_file};
use crate::clock::Clock;
use crate::ids::SharedMap;

/// A file is read again after this time, if it has changed.
const LOOK_AGAIN_MS: i64 = 1_000;

/// Bytes of the largest token file: it holds one line.
const MAX_FILE: u64 = 4096;

/// Why a channel has no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Neither `token_env` nor `token_file` is set.
    #[error("the channel names no token")]
    None,
    /// The variable may not be named, or is not set.
    #[error("environment variable {0} is not set, or `secrets.env` does not allow it")]
    Variable(String),
    /// The file is outside the secrets directory, missing, too large or empty.
    #[error("token file {0}: {1}")]
    File(String, String),
}

struct FileToken {
    token: Arc<str>,
    modified: Option<SystemTime>,
    looked_ms: i64,
}

/// Reads tokens and keeps them in memory.
pub struct Tokens {
    directory: Option<PathBuf>,
    permitted: VariablePattern,
    variables: SharedMap<String, Arc<str>>,
    files: SharedMap<String, FileToken>,
    clock: Clock,
}

impl Tokens {
    /// Tokens from files below `directory` and from the variables that `permitted` allows.
    pub fn new(directory: Option<PathBuf>, permitted: VariablePattern, clock: Clock) -> Tokens {
        Tokens {
            directory,
            permitted,
            variables: SharedMap::default(),
            files: SharedMap::default(),
            clock,
        }
    }

    /// The variables that channels may name.
    pub fn permitted(&self) -> &VariablePattern {
        &self.permitted
    }

    /// The channel's token.
    ///
    /// # Errors
    /// Why there is none: no name, a name that is not permitted, or an unreadable file.
    pub fn of(&self, channel: &ChannelSettings) -> Result<Arc<str>, TokenError> {
        match (&channel.token_env, &channel.token_file) {
            (Some(variable), _) => self.variable(variable),
            (None, Some(file)) => self.file(file),
            (None, None) => Err(TokenError::None),
        }
    }

    fn variable(&self, variable: &str) -> Result<Arc<str>, TokenError> {
        if let Some(token) = self.variables.get(variable) {
            return Ok(token.clone());
        }
        let missing = || TokenError::Variable(variable.to_owned());
        if !self.permitted.permits(variable) {
            return Err(missing());
        }
        let token: Arc<str> = std::env::var(variable)
            .ok()
            .filter(|token| !token.trim().is_empty())
            .ok_or_else(missing)?
            .trim()
            .into();
        self.variables.insert(variable.to_owned(), token.clone());
        Ok(token)
    }

    fn file(&self, name: &str) -> Result<Arc<str>, TokenError> {
        let now_ms = self.clock.elapsed_ms();
        let known = self
            .files
            .get(name)
            .map(|known| (known.token.clone(), known.modified, known.looked_ms));
        if let Some((token, _, looked_ms)) = &known
            && now_ms.saturating_sub(*looked_ms) < LOOK_AGAIN_MS
        {
            return Ok(token.clone());
        }
        let failed = |reason: String| TokenError::File(name.to_owned(), reason);
        let path = self
            .inside(name)
            .ok_or_else(|| failed("it is not a plain path below `secrets.dir`".into()))?;
        let about = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
        let modified = about.modified().ok();
        if let Some((token, before, _)) = &known
            && modified.is_some()
            && modified == *before
        {
            self.files.insert(
                name.to_owned(),
                FileToken { token: token.clone(), modified, looked_ms: now_ms },
            );
            return Ok(token.clone());
        }
        if about.len() > MAX_FILE {
            return Err(failed(format!("it is larger than {MAX_FILE} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let token: Arc<str> = text.trim().into();
        if token.is_empty() {
            return Err(failed("it is empty".into()));
        }
        self.files.insert(
            name.to_owned(),
            FileToken { token: token.clone(), modified, looked_ms: now_ms },
        );
        Ok(token)
    }

    /// The path below the secrets directory; `None` if it would leave it or there is no directory.
    fn inside(&self, name: &str) -> Option<PathBuf> {
        let fits = validate_file(name).is_ok();
        self.directory.as_ref().filter(|_| fits).map(|directory| directory.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;
    use crate::catalog::VariablePattern;
    use crate::clock::Clock;

    #[test]
    fn a_file_is_read_again_though_the_clock_went_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |token: &str, age_s: u64| {
            let path = directory.path().join("token");
            std::fs::write(&path, token).expect("written");
            let file = std::fs::File::open(&path).expect("a file");
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age_s);
            file.set_modified(at).expect("a time");
        };
        let clock = Clock::fixed(1_700_000_000_000);
        let permitted: VariablePattern = "META_*".parse().expect("a pattern");
        let tokens = Tokens::new(Some(directory.path().to_owned()), permitted, clock.clone());
        put("first", 2);
        assert_eq!(&*tokens.file("token").expect("a token"), "first");
        put("second", 1);
        clock.advance(-3_600_000);
        assert_eq!(&*tokens.file("token").expect("a token"), "first");
        clock.advance(1_000);
        assert_eq!(&*tokens.file("token").expect("a token"), "second");
    }
}
