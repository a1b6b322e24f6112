//! SDKs as they are installed from their registries, with only base URL and token changed: their
//! messages arrive as Graph would have got them, and they read our rejections. The ordinary tests
//! run `pywa`; the others are installed by `.ci/setup-sdks` for `make deep`.

mod chatwoot;
mod engine;
#[cfg(feature = "deep-sdks")]
mod fixed_host;
#[cfg(feature = "deep-sdks")]
mod graph_proxy;
mod pywa;
