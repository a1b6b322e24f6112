//! Which template a body names.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::parsed::{Malformed, TemplateRef, malformed};
use super::reading::{Fields, Reading, Shape, Skip};

/// What was read so far of `template`.
#[derive(Default)]
pub(super) struct TemplateDraft<'a> {
    name: Option<Cow<'a, str>>,
    language: LanguageDraft<'a>,
}

#[derive(Default)]
struct LanguageDraft<'a> {
    code: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> for TemplateDraft<'a> {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "name" => self.name = reading.text(map, "template.name")?,
            "language" => match reading.value(map, &mut self.language)? {
                Shape::Object { .. } => {}
                _ => return Err(reading.refuse("`template.language` must be an object")),
            },
            _ => drop(reading.value(map, &mut Skip)?),
        }
        Ok(())
    }
}

impl<'a> Fields<'a> for LanguageDraft<'a> {
    const KEEP_TEXT: bool = false;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "code" => self.code = reading.text(map, "template.language.code")?,
            _ => drop(reading.value(map, &mut Skip)?),
        }
        Ok(())
    }
}

impl<'a> TemplateDraft<'a> {
    pub(super) fn finish(self) -> Result<TemplateRef<'a>, Malformed> {
        let name = self
            .name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| malformed("`template.name` is missing"))?;
        let code = self.language.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| malformed("`template.language.code` is missing"))?;
        // Webhooks write `en-US` for what sends call `en_US`; the catalog knows one spelling.
        let language = if code.contains('-') { Cow::Owned(code.replace('-', "_")) } else { code };
        Ok(TemplateRef { name, language })
    }
}
