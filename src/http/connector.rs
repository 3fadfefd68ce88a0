//! Connections whose TLS is set up once for all requests.

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};

/// ureq's own connector. Left to itself it would read the platform's certificates anew for each connection of a request
/// that has a configuration of its own, as each of ours has: its time-out. Certificates are the agent's here.
#[derive(Debug, Default)]
pub struct OnceConfigured(DefaultConnector);

impl Connector for OnceConfigured {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        let of_agent = ConnectionDetails {
            request_level: false,
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.0.connect(&of_agent, chained)
    }
}
