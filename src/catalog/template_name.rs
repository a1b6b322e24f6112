//! The name under which the catalog keeps a template.

use std::fmt;

use super::validate::{self, FieldMistake};
use crate::ids::WabaId;

/// A template's name and language, written `name/language`; unique within its WABA.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateName(String);

impl TemplateName {
    /// The name of a template. `en-US` becomes `en_US`: the one spelling that sends are looked up
    /// by.
    ///
    /// # Errors
    /// What is wrong with `name`, `language` or both.
    pub fn new(name: &str, language: &str) -> Result<TemplateName, Vec<FieldMistake>> {
        let language = language.replace('-', "_");
        let rules = [
            ("name", validate::template_name(name)),
            ("language", validate::template_language(&language)),
        ];
        let mistakes: Vec<FieldMistake> = rules
            .into_iter()
            .filter_map(|(field, verdict)| Some(FieldMistake { field, message: verdict.err()? }))
            .collect();
        if mistakes.is_empty() {
            Ok(TemplateName(format!("{name}/{language}")))
        } else {
            Err(mistakes)
        }
    }

    /// `name/language`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the template's document in the ledger: `waba/name/language`.
    pub fn document_id(&self, waba: &WabaId) -> String {
        format!("{waba}/{}", self.0)
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::TemplateName;

    #[test]
    fn both_spellings_of_a_language_are_one_name() {
        let name = |language| TemplateName::new("order_update", language).expect("a name");
        assert_eq!(name("en-US"), name("en_US"));
        assert_eq!(name("en_US").as_str(), "order_update/en_US");
    }

    #[test]
    fn both_mistakes_are_reported() {
        let mistakes = TemplateName::new("A", "english").expect_err("two mistakes");
        assert_eq!(mistakes.iter().map(|one| one.field).collect::<Vec<_>>(), ["name", "language"]);
    }
}
