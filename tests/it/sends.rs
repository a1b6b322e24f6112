//! The way of a send from outside: one file for each thing it must show.

mod clients;
mod doors;
mod doubt;
mod external;
mod gateways;
mod last_credit;
mod limits;
mod outcomes;
mod pass_through;
mod payloads;
mod rates;
mod repeats;
mod watching;
