//! HTTP as the providers use it: plain threads that never call Postgres, limits on everything, a guard on every address.

mod address;
mod client;
mod connector;
mod error;
mod guard;
mod names;
mod resolver;
#[cfg(test)]
mod tests;
mod threads;
mod trust;

pub use address::Address;
pub use client::{Client, Manner, Options, Payload, Request, Response, abandon};
pub use error::HttpError;
pub use guard::Policy;
pub use threads::{Bell, spawn};
pub use ureq::http::Method;

const MAX_REDIRECTS: usize = 5;
