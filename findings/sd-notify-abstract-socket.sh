#!/usr/bin/env bash
# Guess: the crate sd-notify reaches every NOTIFY_SOCKET that sd_notify(3) allows: a path, or a name of the
#        abstract namespace, which is written with an @ in front.
# Found: it takes "@name" for the path of a file, and its error is "No such file or directory".
#
# Builds a program of ten lines with the pinned crate in a temporary folder, and fails if that changes.
set -euo pipefail

folder=$(mktemp -d /tmp/finding.XXXXXX)
trap 'rm -rf -- "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
sd-notify = "=0.5.0"
TOML
cat >src/main.rs <<'RUST'
use std::os::{linux::net::SocketAddrExt, unix::net::{SocketAddr, UnixDatagram}};

fn main() {
    let name = std::env::var("NOTIFY_SOCKET").expect("a name");
    let receiver = match name.strip_prefix('@') {
        Some(name) => UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).expect("a name")),
        None => UnixDatagram::bind(&name),
    };
    let _receiver = receiver.expect("somebody listens");
    match sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        Ok(()) => println!("{name}: told"),
        Err(error) => println!("{name}: {error}"),
    }
}
RUST
cargo build -q
cargo tree --depth 1 --prefix none | grep sd-notify
by_path=$(NOTIFY_SOCKET=$folder/socket target/debug/finding)
abstract=$(NOTIFY_SOCKET=@finding-$$ target/debug/finding)
echo "${by_path/$folder/…}"
echo "$abstract"
[[ $by_path == *': told' && $abstract == *'No such file or directory'* ]]
