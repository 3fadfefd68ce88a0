//! A name server on loopback that says what it is told, for servers that ask no other.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Names and what is answered for them, one answer after the other; the last one stays.
type Answers = Arc<Mutex<HashMap<String, Vec<Vec<Ipv4Addr>>>>>;

/// Answers as long as the process is up. A name that it does not know gets no answer at all.
pub struct NameServer {
    address: Ipv4Addr,
    answers: Answers,
}

impl NameServer {
    /// `None`, and the reason as a line `skipped: ...`, where the system allows no such thing: it takes root.
    pub fn start() -> Option<Self> {
        let namespace = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
        if !namespace.is_ok_and(|status| status.success()) {
            println!("skipped: this user may not give a server a name server of its own (unshare --mount)");
            return None;
        }
        // Resolvers ask port 53 and no other.
        let bind = |last| UdpSocket::bind((Ipv4Addr::new(127, 53, 53, last), 53)).map(|socket| (last, socket));
        let Some((last, socket)) = (1..=200).find_map(|last| bind(last).ok()) else {
            println!("skipped: port 53 can't be had on loopback");
            return None;
        };
        let answers = Answers::default();
        let known = answers.clone();
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..length], &known) {
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        Some(Self { address: Ipv4Addr::new(127, 53, 53, last), answers })
    }

    /// From now on, the first question for `name` gets the first of these, the next one the next.
    pub fn set(&self, name: &str, answers: &[&[Ipv4Addr]]) {
        let answers = answers.iter().map(|addresses| addresses.to_vec()).collect();
        self.answers.lock().expect("the answers").insert(name.to_owned(), answers);
    }

    /// Runs the program that its further arguments name, which then asks this name server; `folder` is for a file.
    pub fn launcher(&self, folder: &Path) -> Command {
        let file = folder.join("resolv.conf");
        std::fs::write(&file, format!("nameserver {}\noptions timeout:30 attempts:1\n", self.address))
            .expect("resolv.conf");
        let mut launcher = Command::new("unshare");
        let mount = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        launcher.args(["--mount", "sh", "-c", mount]).arg(file);
        launcher
    }
}

/// The answer to a question of one name (RFC 1035, 4.1), or `None` to leave it without.
fn answer(packet: &[u8], answers: &Answers) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*packet.get(at)?);
        let label = packet.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(label).into_owned());
    }
    let question = packet.get(12..at + 4)?;
    let wants_ipv4 = packet[at..at + 2] == [0, 1];
    let mut known = answers.lock().expect("the answers");
    let left = known.get_mut(&labels.join("."))?;
    let addresses = if !wants_ipv4 {
        Vec::new()
    } else if left.len() > 1 {
        left.remove(0)
    } else {
        left.first().cloned().unwrap_or_default()
    };
    let mut reply = packet[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    reply.extend(question);
    for address in addresses {
        // The name of the question; type A, class IN, no time to live.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}
