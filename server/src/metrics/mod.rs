//! What a server has done, in numbers for programs: counted where it happens, and given
//! out with the state of everything when somebody asks.
//!
//! - `families`: every metric, declared once. - `text`: how they are written.
//! - `counts`, `histogram`, `tenants`: what is counted here. - `scrape`: all of it, with
//!   what others know. - `process`: what the kernel knows of this process.
//!
//! Written by hand: `prometheus-client` writes OpenMetrics alone and `prometheus` the older
//! text alone, and most of what is told here is state that lies elsewhere.

mod counts;
mod families;
mod histogram;
mod process;
mod scrape;
mod tenants;
mod text;

pub(crate) use self::counts::Metrics;
pub(crate) use self::scrape::{OfTransport, scrape};
pub(crate) use self::text::Format;
