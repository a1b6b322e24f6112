//! CSV replies, safe to open in a spreadsheet: words of others never become formulas.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode};

use crate::admin::call::{NEXT_CURSOR, with_type};
use crate::admin::problem::Problem;

/// A cell with words of others: one that a spreadsheet would take for a formula gets an apostrophe
/// in front.
pub(super) fn plain(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A CSV answer; the cursor of the next page travels in a header.
pub(super) fn csv(
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    next: Option<&str>,
) -> Result<Response<Body>, Problem> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let failed = |error: ::csv::Error| Problem::internal("a table could not be written", &error);
    writer.write_record(columns).map_err(failed)?;
    for row in rows {
        writer.write_record(&row).map_err(failed)?;
    }
    let text = writer
        .into_inner()
        .map_err(|error| Problem::internal("a table could not be written", &error))?;
    let mut response = with_type(StatusCode::OK, text, "text/csv; charset=utf-8");
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, next);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn formulas_are_words() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("-campaign", "'-campaign"),
            ("\tx", "'\tx"),
            ("pay_1", "pay_1"),
            ("", ""),
        ] {
            assert_eq!(plain(text), cell);
        }
    }
}
