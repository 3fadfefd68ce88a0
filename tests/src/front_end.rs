//! A front end as an application would have one: publishes feeds over HTTP, out of a database.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use postgres::error::SqlState;
use postgres::{Config, NoTls};

use crate::web::{Request, etag_of, send};

/// Serves `/feeds/<token>.ics` with an ETag over the bytes; stays up as long as the process.
pub struct FrontEnd {
    address: SocketAddr,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl FrontEnd {
    /// `config`: how to connect to the database whose feeds are served.
    pub fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let answers = Arc::new(Mutex::new(Vec::new()));
        let noted = answers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away in the middle is the client's business.
                let _ = answer(stream, &config, &noted);
            }
        });
        Self { address, answers }
    }

    pub fn url(&self, token: &str) -> String {
        format!("http://{}/feeds/{token}.ics", self.address)
    }

    /// The statuses that were answered so far, oldest first.
    pub fn answers(&self) -> Vec<u16> {
        self.answers.lock().expect("the answers").clone()
    }
}

fn answer(mut stream: TcpStream, config: &Config, answers: &Mutex<Vec<u16>>) -> Option<()> {
    let request = Request::read(&mut stream)?;
    let token = request.target.strip_prefix("/feeds/").and_then(|rest| rest.strip_suffix(".ics")).unwrap_or_default();
    let mut client = config.connect(NoTls).expect("the database");
    let file = match client.query_one("select calendar_feed($1)", &[&token]) {
        Ok(row) => row.get::<_, String>(0),
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::UNDEFINED_OBJECT), "{error:?}");
            answers.lock().expect("the answers").push(404);
            return send(&mut stream, "404 Not Found", &[], b"");
        }
    };
    let etag = etag_of(file.as_bytes());
    let headers = [format!("ETag: {etag}"), "Content-Type: text/calendar; charset=utf-8".to_owned()];
    if request.headers.get("if-none-match") == Some(&etag) {
        answers.lock().expect("the answers").push(304);
        return send(&mut stream, "304 Not Modified", &headers[..1], b"");
    }
    answers.lock().expect("the answers").push(200);
    send(&mut stream, "200 OK", &headers, file.as_bytes())
}
