//! A TCP proxy between two programs that a test can block: it passes connections on byte by byte
//! until it is told to hold everything back, or to break the connections off.
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the proxy does with the bytes it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Passes them on.
    Open,
    /// Holds them back without closing the connection.
    Blocked,
}

struct Shared {
    way: Mutex<Way>,
    changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

/// A running proxy.
pub struct Between {
    /// The address at which the proxy listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Between {
    /// Starts a proxy to the target address.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            streams: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(other) = TcpStream::connect(target) else {
                    continue;
                };
                let pair = [(&stream, &other), (&other, &stream)];
                for (from, to) in pair {
                    let (from, to) = (from.try_clone().expect("one"), to.try_clone().expect("one"));
                    let shared = Arc::clone(&accepting);
                    std::thread::spawn(move || pass(from, to, &shared));
                }
                let mut streams = accepting.streams.lock().expect("a list");
                streams.extend([stream, other]);
            }
        });
        Self { address, shared }
    }

    /// Changes what the proxy does with the bytes it reads.
    pub fn set(&self, way: Way) {
        *self.shared.way.lock().expect("a way") = way;
        self.shared.changed.notify_all();
    }

    /// Breaks off every connection.
    pub fn break_off(&self) {
        for stream in self.shared.streams.lock().expect("a list").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.set(Way::Open);
        self.break_off();
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut way = shared.way.lock().expect("a way");
        while *way == Way::Blocked {
            way = shared.changed.wait(way).expect("a way");
        }
        drop(way);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
