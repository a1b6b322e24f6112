//! Keeps the listeners' certificates as their files are: looked at now and then, and at SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::ListenConfig;
use crate::http::tls::{ListenerTls, TlsFiles};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// The TLS of every listener that has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates {
    pub(super) data: Option<Arc<ListenerTls>>,
    pub(super) admin: Option<Arc<ListenerTls>>,
    pub(super) ops: Option<Arc<ListenerTls>>,
}

impl Certificates {
    /// Reads all files.
    ///
    /// # Errors
    /// A sentence for each listener whose files cannot be used.
    pub(super) fn load(listen: &ListenConfig) -> Result<Certificates, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut load = |section: &str, files: &Option<TlsFiles>| {
            let loaded = ListenerTls::load(files.clone()?);
            let named = |error| mistakes.push(format!("listen.{section}: {error}"));
            loaded.map_err(named).ok().map(Arc::new)
        };
        let certificates = Certificates {
            data: load("tls", &listen.tls),
            admin: load("admin_tls", &listen.admin_tls),
            ops: load("ops_tls", &listen.ops_tls),
        };
        if mistakes.is_empty() { Ok(certificates) } else { Err(mistakes) }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ListenerTls>> {
        [&self.data, &self.admin, &self.ops].into_iter().flatten()
    }

    /// Takes over what the files hold now; returns what is wrong with those that stay as they were.
    pub(super) async fn reload(&self) -> Vec<String> {
        let listeners: Vec<_> = self.all().cloned().collect();
        let reload = move || {
            let mut mistakes = Vec::new();
            for tls in listeners {
                match tls.reload() {
                    Ok(true) => {
                        let file = tls.cert_file().to_string();
                        tracing::info!(file, "a listener's certificate changed and is in use");
                    }
                    Ok(false) => {}
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            mistakes
        };
        let failed = |error: tokio::task::JoinError| vec![error.to_string()];
        tokio::task::spawn_blocking(reload).await.unwrap_or_else(failed)
    }

    /// Looks at the files until `stop`. What is wrong is logged once, not at every look.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut known = Vec::new();
        while self.all().next().is_some()
            && tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_err()
        {
            let mistakes = self.reload().await;
            if mistakes != known {
                for mistake in &mistakes {
                    tracing::error!(
                        mistake,
                        "a listener's certificate changed and cannot be used; \
                         the one before stays in use"
                    );
                }
                known = mistakes;
            }
        }
    }
}
