//! Reads the templates of a WABA from the Graph API, page by page.

use http_body_util::{BodyExt, Empty};
use hyper::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::Value;

use super::body::StreamBody;
use super::client::Upstream;
use super::graph_error::GraphError;
use super::pass_through::Passing;
use super::streaming::{PassThrough, StreamError};
use super::target::{AccessToken, BaseUrl};
use bytes::{Bytes, BytesMut};

/// The Graph version this reads with; its template fields are the same in every version in use.
const VERSION: &str = "v24.0";

/// Templates asked for in one page.
const PAGE: usize = 200;

/// Pages at most; Meta allows a business 6,000 templates in each WABA at most.
const MAX_PAGES: usize = 100;

/// Bytes of one page at most.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// A template as Meta lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedTemplate {
    /// The name that sends refer to it by.
    pub name: String,
    /// Its language code, as Meta writes it.
    pub language: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: String,
    /// For example `APPROVED`.
    #[serde(default)]
    pub status: String,
}

/// The templates of a WABA.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateList {
    /// Those that could be read, in Meta's order.
    pub templates: Vec<ListedTemplate>,
    /// Those of another shape than a template's.
    pub odd: Vec<OddEntry>,
}

/// An entry of the list that is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddEntry {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl TemplateList {
    fn add(&mut self, entry: Value) {
        let name = entry.get("name").and_then(Value::as_str).map(str::to_owned);
        match serde_json::from_value(entry) {
            Ok(template) => self.templates.push(template),
            Err(error) => self.odd.push(OddEntry { name, reason: error.to_string() }),
        }
    }
}

#[derive(Deserialize)]
struct ListPage {
    data: Vec<Value>,
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    cursors: Option<Cursors>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Cursors {
    after: Option<String>,
}

/// Why the list could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplatesError {
    /// No answer came.
    #[error("{0}")]
    NoAnswer(#[from] StreamError),
    /// Meta refused to list them.
    #[error("Meta answered {code}: {message}")]
    Refused {
        /// The Graph error's code.
        code: i64,
        /// The Graph error's message, as Meta wrote it.
        message: String,
    },
    /// The answer is not a list of templates.
    #[error("the answer cannot be read as a list of templates (status {0})")]
    Unreadable(u16),
    /// More than a WABA can have; the cursors may repeat without end.
    #[error("the list does not end after {MAX_PAGES} pages")]
    Endless,
}

impl Upstream {
    /// All templates of a WABA. An entry that cannot be read costs no other.
    ///
    /// Only the cursor of a page is used, never the address it names for the next one.
    ///
    /// # Errors
    /// Why the first page that could not be read failed; no partial list is returned.
    pub async fn templates(
        &self,
        base: &BaseUrl,
        token: &AccessToken,
        waba: &str,
    ) -> Result<TemplateList, TemplatesError> {
        let mut list = TemplateList::default();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let cursor = after
                .as_deref()
                .map(|cursor| format!("&after={}", percent_encoded(cursor)))
                .unwrap_or_default();
            let path = format!(
                "/{VERSION}/{waba}/message_templates\
                 ?fields=name,language,category,status&limit={PAGE}{cursor}"
            );
            let page = self.template_page(base, token, &path).await?;
            page.data.into_iter().for_each(|entry| list.add(entry));
            let next = page
                .paging
                .filter(|paging| paging.next.is_some())
                .and_then(|paging| paging.cursors)
                .and_then(|cursors| cursors.after);
            match next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                Some(_) => return Err(TemplatesError::Endless),
                None => return Ok(list),
            }
        }
        Err(TemplatesError::Endless)
    }

    async fn template_page(
        &self,
        base: &BaseUrl,
        token: &AccessToken,
        path: &str,
    ) -> Result<ListPage, TemplatesError> {
        let request = PassThrough {
            base,
            token,
            method: Method::GET,
            path_and_query: path,
            headers: &HeaderMap::new(),
            passing: Passing::Question,
        };
        let answer = self.stream(request, Empty::<Bytes>::new()).await?;
        let status = answer.status().as_u16();
        let body = whole(answer.into_body()).await.ok_or(TemplatesError::Unreadable(status))?;
        if let Some(error) = GraphError::read(&body) {
            return Err(TemplatesError::Refused { code: error.code, message: error.message });
        }
        serde_json::from_slice(&body).map_err(|_| TemplatesError::Unreadable(status))
    }
}

/// The whole body; `None` if it breaks off or is too large. Frame by frame: through `Limited` and
/// its boxed error the compiler cannot prove that the callers' futures are `Send`.
async fn whole(mut body: StreamBody) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            if bytes.len().saturating_add(data.len()) > MAX_PAGE_BYTES {
                return None;
            }
            bytes.extend_from_slice(&data);
        }
    }
    Some(bytes.freeze())
}

fn percent_encoded(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
