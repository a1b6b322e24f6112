//! A send seen from outside: one file for each behaviour that an engine can rely on.

mod base_urls;
mod body_memory;
mod client_hang_up;
mod client_leaves;
mod content_type;
mod direct_send;
mod example_payloads;
mod external_channels;
mod foreign_numbers;
mod in_doubt_policy;
mod intermediaries;
mod key_in_query;
mod last_credit;
mod limits;
mod marketing_endpoint;
mod pass_through;
mod probes_and_metrics;
mod rates_by_date;
mod refused_batch;
mod repeated_sends;
mod request_formats;
mod revocation;
mod storms;
mod two_gateways;
mod upstream_outcomes;
mod who_may_send;
