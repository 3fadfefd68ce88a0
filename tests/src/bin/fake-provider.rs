//! Serves one of the fake providers on a port of loopback, for a provider's own client: `fake-provider google 0`. Prints
//! its address, and ends with its standard input.

use std::io::Read;
use std::net::TcpListener;

use calendar_sync_e2e::{FakeGoogle, FakeGraph, FakeNotion};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [provider, port] = arguments.as_slice() else { panic!("usage: fake-provider google|microsoft|notion PORT") };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port");
    let url = match provider.as_str() {
        "google" => {
            let google = FakeGoogle::start_on(listener);
            google.add_person("ada@example.com", "Europe/Berlin");
            google.add_calendar("ada@example.com", "team@group.calendar.google.com", "Team", "America/New_York");
            google.grant_as("ada@example.com", "ya29.fidelity", "1//fidelity");
            google.url()
        }
        "microsoft" => {
            let graph = FakeGraph::start_on(listener);
            graph.add_mailbox("ada@example.com");
            graph.add_calendar("ada@example.com", "Team");
            let shared = graph.add_mailbox("room@example.com");
            graph.share(&shared, "ada@example.com", Some(true));
            graph.grant_as("ada@example.com", "EwBfidelity", "0.fidelity");
            graph.url()
        }
        "notion" => FakeNotion::start_on(listener).url(),
        other => panic!("there is no fake {other}"),
    };
    println!("{url}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
