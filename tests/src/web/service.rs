//! A web server for whatever speaks JSON: connections are kept, requests go to one function.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::Request;

/// What is said to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Whole lines, without `Content-Length`.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// With `Content-Type: application/json`.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec!["Content-Type: application/json; charset=UTF-8".to_string()];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: vec![], body: vec![] }
    }

    fn send(&self, stream: &mut impl Write) -> Option<()> {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        // RFC 9110, 8.6: these have no body, and must not say that they have.
        if !matches!(self.status, 204 | 304) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for header in &self.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(&[head.as_bytes(), &self.body].concat()).and_then(|()| stream.flush()).ok()
    }
}

/// Serves on a free port of loopback as long as the process is up. Where `talk` has nothing to say, the connection is
/// closed without a word.
pub fn serve(talk: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> SocketAddr {
    serve_on(TcpListener::bind("127.0.0.1:0").expect("a free port"), talk)
}

/// [`serve`] on a port that is already there.
pub fn serve_on(listener: TcpListener, talk: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> SocketAddr {
    let address = listener.local_addr().expect("its address");
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let talk = talk.clone();
            std::thread::spawn(move || converse(&mut stream, &*talk));
        }
    });
    address
}

/// Until the client goes away, which is its own business.
fn converse(stream: &mut TcpStream, talk: &dyn Fn(&Request) -> Option<Reply>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    loop {
        let request = Request::read(stream)?;
        talk(&request)?.send(stream)?;
        if request.headers.get("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")) {
            return None;
        }
    }
}
