//! Which template a body names.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::parsed::{Malformed, TemplateRef, malformed};
use super::reading::{Fields, Reading, Shape, Skip, is_structure};

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
    const KEEP_TEXT: bool = true;

    fn field<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "name" => self.name = reading.text(map, "template.name")?,
            "language" => self.language(reading, map)?,
            _ => drop(reading.value(map, &mut Skip)?),
        }
        Ok(())
    }
}

impl<'a> Fields<'a> for LanguageDraft<'a> {
    const KEEP_TEXT: bool = true;

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
    /// Reads the next value of `map` as `template`; one that is no object has no fields.
    pub(super) fn read<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        map: &mut A,
    ) -> Result<Shape<'a>, A::Error> {
        match reading.value(map, self)? {
            Shape::Text(text) if is_structure(&text) => {
                let mut inner = TemplateDraft::default();
                let shape = reading.within("template", &text, &mut inner)?;
                self.name = inner.name.map(owned);
                self.language.code = inner.language.code.map(owned);
                Ok(shape)
            }
            shape => Ok(shape),
        }
    }

    fn language<A: MapAccess<'a>>(
        &mut self,
        reading: &mut Reading<'a>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let shape = match reading.value(map, &mut self.language)? {
            Shape::Text(text) if is_structure(&text) => {
                let mut inner = LanguageDraft::default();
                let shape = reading.within("template.language", &text, &mut inner)?;
                self.language.code = inner.code.map(owned);
                shape
            }
            shape => shape,
        };
        match shape {
            Shape::Object { .. } => Ok(()),
            _ => Err(reading.refuse("`template.language` must be an object")),
        }
    }

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

/// A text that outlives the one that it was read from.
fn owned<'a>(text: Cow<'_, str>) -> Cow<'a, str> {
    Cow::Owned(text.into_owned())
}
