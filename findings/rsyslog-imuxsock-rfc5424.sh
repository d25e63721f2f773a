#!/usr/bin/env bash
# Guess: a message of RFC 5424 that is written to a Unix socket of rsyslog 8.2302 is read as one.
# Found: not unless the socket's special parser is switched off: the version becomes the program's name, and
# the rest of the header a part of the text. With the parser off, the time is still that of the arrival until
# UseSysTimeStamp and IgnoreTimestamp are switched off too. And the byte order mark, with which RFC 5424 (6.4) begins a text of UTF-8, stays
# in the text, so a text of JSON is none any more for who reads it by RFC 8259 (8.1).
#
# Installs rsyslog of Debian 12 into a temporary folder, sends it the same message in four ways, and fails if
# the behaviour changes.
set -euo pipefail

folder=$(mktemp -d /tmp/finding.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd "$folder"
# apt downloads as a user of its own, who must be able to write here.
chmod 777 .
apt-get -q download rsyslog=8.2302.0-1+deb12u2 libestr0=0.1.11-1 libfastjson4=1.2304.0-1 >/dev/null
for package in *.deb; do dpkg -x "$package" .; done
lib=$folder/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib RSYSLOG_MODDIR=$lib/rsyslog
./usr/sbin/rsyslogd -v | sed -n 1p

cat >rsyslog.conf <<CONF
global(workDirectory="$folder")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$folder/plain" CreatePath="on")
input(type="imuxsock" Socket="$folder/parsed" CreatePath="on" UseSpecialParser="off")
input(type="imuxsock" Socket="$folder/timed" CreatePath="on" UseSpecialParser="off" UseSysTimeStamp="off" IgnoreTimestamp="off")
template(name="seen" type="string" string="%app-name%|%msgid%|%timereported:::date-rfc3339%|%msg%\n")
action(type="omfile" file="$folder/seen" template="seen")
CONF
./usr/sbin/rsyslogd -n -f "$folder/rsyslog.conf" -i "$folder/pid" -M "$RSYSLOG_MODDIR" &

cat >send.py <<'PY'
import json, socket, sys, time

HEAD = "<86>1 2001-02-03T04:05:06.007Z host program 77 ID17 [meta sequenceId=\"17\"] "

def lines():
    try:
        return open("seen", encoding="utf-8").read().splitlines()
    except FileNotFoundError:
        return []

def sent(to, text):
    before = len(lines())
    for _ in range(200):
        try:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            client.connect(to)
            break
        except OSError:
            time.sleep(0.05)
    client.send((HEAD + text).encode())
    for _ in range(200):
        if len(lines()) > before:
            return lines()[-1].split("|", 3)
        time.sleep(0.05)
    sys.exit("nothing arrived")

text = '{"number":17}'
ways = {
    "as it comes": sent("plain", text),
    "special parser off": sent("parsed", text),
    "and the system's time off": sent("timed", text),
    "with a byte order mark": sent("timed", "\ufeff" + text),
}
for way, (program, id, at, message) in ways.items():
    print(f"{way}: program={program} id={id} own time={at.startswith('2001')} text={message!r}")

def is_json(text):
    try:
        return json.loads(text) == {"number": 17}
    except ValueError:
        return False

found = [(p, i, at.startswith("2001"), is_json(m)) for p, i, at, m in ways.values()]
expected = [
    ("1", "-", False, False),
    ("program", "ID17", False, True),
    ("program", "ID17", True, True),
    ("program", "ID17", True, False),
]
sys.exit(found != expected)
PY
python3 send.py
