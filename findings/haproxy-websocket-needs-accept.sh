#!/usr/bin/env bash
# Guess: HAProxy 2.6 passes a 101 of a server on to the client, as nginx, Traefik, Caddy and Envoy do.
# Found: it answers 502 unless the 101 has a Sec-WebSocket-Accept. What that holds does not matter.
#
# Installs HAProxy of Debian 12 into a temporary folder, runs it in front of a server of 20 lines, and fails
# if the behaviour changes.
set -euo pipefail

readonly VERSION=2.6.12-1+deb12u4
folder=$(mktemp -d /tmp/finding.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd "$folder"
# apt downloads as a user of its own, who must be able to write here.
chmod 777 .
apt-get -q download "haproxy=$VERSION" >/dev/null
dpkg -x haproxy_*.deb .
./usr/sbin/haproxy -v | sed -n 1p

cat >haproxy.cfg <<'CFG'
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
    timeout tunnel 5s
listen all
    bind 127.0.0.1:FRONT
    server one 127.0.0.1:BACK
CFG

cat >peer.py <<'PY'
import socket, subprocess, threading, time

# A key and its answer from RFC 6455, 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
heads, extra = [], [""]

def serve(listener):
    while True:
        connection, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096) or b"\r\n\r\n"
        heads.append(head.decode())
        answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        connection.sendall((answer + extra[0] + "\r\n").encode())

listener, taken = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
back, front = (one.getsockname()[1] for one in (listener, taken))
taken.close()
text = open("haproxy.cfg").read().replace("FRONT", str(front)).replace("BACK", str(back))
open("haproxy.cfg", "w").write(text)
threading.Thread(target=serve, args=(listener,), daemon=True).start()
proxy = subprocess.Popen(["./usr/sbin/haproxy", "-f", "haproxy.cfg"])

def status(*lines):
    for _ in range(100):
        try:
            client = socket.create_connection(("127.0.0.1", front))
            break
        except OSError:
            time.sleep(0.05)
    client.settimeout(5)
    head = ["GET / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    client.sendall(("\r\n".join(head + list(lines)) + "\r\n\r\n").encode())
    return int(client.recv(4096).split()[1])

with_key = f"Sec-WebSocket-Key: {KEY}"
seen = {"without Sec-WebSocket-Accept": status(with_key)}
extra[0] = f"Sec-WebSocket-Accept: {ACCEPT}\r\n"
seen["with the right one"] = status(with_key)
extra[0] = "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
seen["with another one"] = status(with_key)
for what, got in seen.items():
    print(f"a 101 {what}: the client gets {got}")
proxy.kill()
assert seen["without Sec-WebSocket-Accept"] == 502, "the behaviour has changed"
assert seen["with the right one"] == 101, "the behaviour has changed"
assert seen["with another one"] == 101, "the behaviour has changed"
PY
python3 peer.py
