//! The way of a send from outside: one file for each thing it must show.

mod clients;
mod content;
mod doors;
mod doubt;
mod external;
mod foreign_numbers;
mod gateways;
mod hang_up;
mod last_credit;
mod limits;
mod outcomes;
mod pass_through;
mod payloads;
mod rates;
mod refused_batch;
mod repeats;
mod revoked;
mod watching;
