//! HTTP as the providers use it: plain threads that never call Postgres, limits on everything, a guard on every address.

mod address;
mod client;
mod guard;
mod resolver;
mod threads;

pub use address::Address;
pub use client::{Client, HttpError, Options, Request, Response, abandon};
pub use guard::Policy;
pub use threads::{Bell, spawn};
