//! The top-level fields that Graph ignores and that decide nothing: they are accepted and forwarded
//! as they came. The list is data, `config/ignored_fields.csv`, with source and reason per row.

use std::sync::LazyLock;

use super::reading::Shape;

/// Which values of a field are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Anything but an object or an array.
    Scalar,
    /// Null, an empty text, `[]` and `{}`.
    Empty,
}

static ROWS: LazyLock<Vec<(String, Values)>> = LazyLock::new(|| {
    read(include_str!("../../../config/ignored_fields.csv"))
        .expect("the compiled-in list is read by a unit test")
});

/// Whether a field of that name and value means nothing to Graph.
pub(super) fn is_ignored(name: &str, value: &Shape<'_>) -> bool {
    ROWS.iter().any(|(field, values)| {
        field == name
            && match values {
                Values::Scalar => !matches!(value, Shape::Array { .. } | Shape::Object { .. }),
                Values::Empty => value.is_empty(),
            }
    })
}

/// Whether the list has the field, whatever its value.
pub(super) fn is_listed(name: &str) -> bool {
    ROWS.iter().any(|(field, _)| field == name)
}

fn read(text: &str) -> Result<Vec<(String, Values)>, String> {
    let mut rows: Vec<(String, Values)> = Vec::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let values = match cell(1) {
            "scalar" => Values::Scalar,
            "empty" => Values::Empty,
            other => return Err(format!("{other:?} is neither \"scalar\" nor \"empty\"")),
        };
        if cell(0).is_empty() || cell(2).is_empty() || cell(3).is_empty() {
            return Err(format!("the row of {:?} lacks a field, source or reason", cell(0)));
        }
        if rows.iter().any(|(field, _)| field == cell(0)) {
            return Err(format!("{} is listed twice", cell(0)));
        }
        rows.push((cell(0).to_owned(), values));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::{ROWS, read};

    #[test]
    fn the_list_names_no_field_that_decides_something() {
        assert!(ROWS.len() > 3);
        for decides in [
            "messaging_product",
            "to",
            "recipient",
            "recipient_type",
            "type",
            "status",
            "message_id",
            "typing_indicator",
            "category",
            "ttl_seconds",
            "access_token",
            "batch",
            "method",
        ] {
            assert!(ROWS.iter().all(|(field, _)| field != decides), "{decides}");
        }
    }

    #[test]
    fn mistakes_in_the_list_are_named() {
        let header = "field,values,source,why\n";
        for row in
            ["a,some,x,y", "a,scalar,,y", "a,scalar,x,", ",scalar,x,y", "a,empty,x,y\na,empty,x,y"]
        {
            assert!(read(&format!("{header}{row}\n")).is_err(), "{row}");
        }
    }
}
