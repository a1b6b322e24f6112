//! How a channel names its Meta token: by a permitted environment variable, or by a file inside the
//! secrets directory.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use super::validate::FieldMistake;

/// Which environment variables may hold Meta tokens: one name, or with a star at the end every name
/// with that beginning (`META_TOKEN*`). The default permits none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariablePattern(String);

impl VariablePattern {
    /// Returns whether `variable` may hold a token.
    pub fn permits(&self, variable: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => variable.starts_with(beginning),
            None => variable == self.0,
        }
    }

    /// Checks a `token_env`.
    ///
    /// # Errors
    /// A sentence that does not repeat the text: people paste the token itself here.
    pub fn validate(&self, variable: &str) -> Result<(), String> {
        if self.permits(variable) && variable.bytes().all(in_a_name) {
            return Ok(());
        }
        validate_variable(variable)?;
        Err(format!("must be a variable that secrets.env (\"{self}\") permits"))
    }
}

impl fmt::Display for VariablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VariablePattern {
    type Err = String;

    /// A star alone is refused: with it `token_env` could send any secret of the process to
    /// upstream.
    fn from_str(text: &str) -> Result<VariablePattern, String> {
        let name = text.strip_suffix('*').unwrap_or(text);
        if !name.is_empty() && name.bytes().all(in_a_name) {
            return Ok(VariablePattern(text.to_owned()));
        }
        Err(format!("must be a variable's name with an optional \"*\" at its end, not \"{text}\""))
    }
}

fn in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Checks the name of an environment variable that holds a secret.
///
/// # Errors
/// A sentence that does not repeat the text: people paste the secret itself here.
pub fn validate_variable(text: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !text.is_empty() && text.bytes().all(fits) {
        return Ok(());
    }
    Err("must be a variable's name in capitals, digits and \"_\", not the secret itself".to_owned())
}

/// Checks a `token_file`: a path that stays inside the secrets directory.
///
/// # Errors
/// A sentence for people.
pub fn validate_file(text: &str) -> Result<(), String> {
    let inside = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    if inside && !text.is_empty() {
        return Ok(());
    }
    Err(format!("must be a path inside secrets.dir, not \"{text}\""))
}

/// Checks how a channel names its token: by `token_env` or by `token_file`, with a name that is
/// permitted. Returns every mistake.
pub fn validate(
    token_env: Option<&str>,
    token_file: Option<&str>,
    permitted: &VariablePattern,
) -> Vec<FieldMistake> {
    let count = match (token_env, token_file) {
        (None, None) => {
            Err(("token_env", "give the channel's Meta token by token_env or token_file"))
        }
        (Some(_), Some(_)) => Err(("token_file", "give token_env or token_file, not both")),
        _ => Ok(()),
    };
    let mistake = |field, message| FieldMistake { field, message };
    let count = count.err().map(|(field, message)| mistake(field, message.to_owned()));
    let variable = token_env.and_then(|variable| permitted.validate(variable).err());
    let file = token_file.and_then(|file| validate_file(file).err());
    [
        count,
        variable.map(|message| mistake("token_env", message)),
        file.map(|message| mistake("token_file", message)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{VariablePattern, validate, validate_file};

    fn pattern(text: &str) -> VariablePattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_star_permits_every_ending() {
        assert!(pattern("META_TOKEN*").permits("META_TOKEN_ACME"));
        assert!(!pattern("META_TOKEN*").permits("PATH"));
        assert!(pattern("META_TOKEN").permits("META_TOKEN"));
        assert!(!pattern("META_TOKEN").permits("META_TOKEN_ACME"));
        assert!(!VariablePattern::default().permits("PATH"));
        assert!("*".parse::<VariablePattern>().is_err());
    }

    #[test]
    fn a_pasted_token_is_not_repeated() {
        for pasted in ["EAAGm0PX4ZCpsBA", "META_TOKEN=EAAGm0PX4ZCpsBA", "EAAG0123456789"] {
            let mistakes = validate(Some(pasted), None, &pattern("META_TOKEN*"));
            assert_eq!(mistakes.len(), 1);
            assert!(!mistakes[0].message.contains("EAAG"), "{mistakes:?}");
        }
    }

    #[test]
    fn a_file_stays_inside_its_directory() {
        for (text, inside) in
            [("a", true), ("acme/1", true), ("", false), ("../a", false), ("/a", false)]
        {
            assert_eq!(validate_file(text).is_ok(), inside, "{text}");
        }
    }
}
