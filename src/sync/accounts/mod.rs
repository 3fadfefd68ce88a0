//! Logins at providers: the application's registration, users' logins, what they can see, what of it is connected.

mod add;
mod calendars;
mod connect;
mod login;
mod register;
mod remove;
pub mod site;

pub use add::{add, seal};
pub use calendars::calendars;
pub use connect::{Wish, connect};
pub use login::{begin, finish};
pub use register::register;
pub use remove::remove;
