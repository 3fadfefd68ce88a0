//! What Outlook means by its words, texts and times, whichever way they come: Graph's, or a flow's connector's.

mod body;
mod times;
mod windows;
mod words;

pub use body::{plain_text, tidy};
pub use times::{Clock, Clocks, Written};
pub use windows::windows_name;
pub use words::{importance, importance_word, response, sensitivity, sensitivity_word, show_as, show_as_word};
