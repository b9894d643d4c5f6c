#!/usr/bin/env python3
"""A server that speaks the part of the Hugging Face Hub's protocol that Pouch uses, for tests and measurements.

usage: hub-server.py --root DIR --repo ORG/NAME --log FILE [--port N] [--cdn-port N] [--rate BYTES_PER_SECOND]

Serves the files of DIR as one commit of ORG/NAME: the endpoint on one port, the store for large files, to which it
redirects, on another one. Prints both ports, then writes a line per request to the log: host, path, range, bytes sent,
and whether it carried a token. Hashes are computed once and kept beside the log.
"""
import argparse
import hashlib
import http.server
import json
import os
import re
import socketserver
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--repo", required=True)
parser.add_argument("--log", required=True)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--cdn-port", type=int, default=0)
parser.add_argument("--rate", type=float, default=0, help="bytes per second and connection; 0 for all")
options = parser.parse_args()

LARGE = 10_000_000
log_lock = threading.Lock()


def log(*words):
    with log_lock, open(options.log, "a") as file:
        file.write(" ".join(str(word) for word in words) + "\n")


def hashes():
    kept = options.log + ".hashes"
    known = json.load(open(kept)) if os.path.exists(kept) else {}
    found = {}
    for name in sorted(os.listdir(options.root)):
        path = os.path.join(options.root, name)
        size = os.path.getsize(path)
        key = f"{name} {size} {os.stat(path).st_mtime_ns}"
        if key not in known:
            sha1 = hashlib.sha1(f"blob {size}\0".encode())
            sha256 = hashlib.sha256()
            with open(path, "rb") as file:
                while chunk := file.read(1 << 20):
                    sha1.update(chunk)
                    sha256.update(chunk)
            known[key] = [sha1.hexdigest(), sha256.hexdigest()]
        found[name] = (size, *known[key])
    json.dump(known, open(kept, "w"))
    return found


FILES = hashes()
COMMIT = hashlib.sha1(json.dumps(FILES).encode()).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    # The end of a body would wait for the acknowledgement of its head, which the client's system delays by 40 ms.
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    is_store = False

    def log_message(self, *words):
        pass

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        self.token = "token" if self.headers.get("Authorization") else "-"
        try:
            self.store(url) if self.is_store else self.endpoint(url)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def endpoint(self, url):
        path = urllib.parse.unquote(url.path)
        base = "/api/models/" + options.repo
        if path.startswith(base + "/revision/"):
            body = json.dumps({"id": options.repo, "sha": COMMIT}).encode()
            log("hub", path, "-", len(body), self.token)
            return self.answer(200, [("Content-Type", "application/json")], body)
        if path == f"{base}/tree/{COMMIT}":
            query = urllib.parse.parse_qs(url.query)
            start = int(query.get("cursor", ["0"])[0])
            names = list(FILES)
            page = names[start : start + 4]
            entries = []
            for name in page:
                size, sha1, sha256 = FILES[name]
                entry = {"type": "file", "path": name, "size": size, "oid": sha1}
                if self.is_large(name):
                    entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 135}
                entries.append(entry)
            headers = [("Content-Type", "application/json")]
            if start + 4 < len(names):
                host = self.headers["Host"]
                headers.append(
                    ("Link", f'<http://{host}{url.path}?recursive=true&cursor={start + 4}>; rel="next"'))
            body = json.dumps(entries).encode()
            log("hub", path, "-", len(body), self.token)
            return self.answer(200, headers, body)
        match = re.fullmatch(f"/{options.repo}/resolve/{COMMIT}/(.+)", path)
        if match and match[1] in FILES:
            name = match[1]
            size, sha1, sha256 = FILES[name]
            headers = [("X-Repo-Commit", COMMIT)]
            if self.is_large(name):
                headers += [("X-Linked-Etag", f'"{sha256}"'), ("X-Linked-Size", str(size))]
                headers.append(("Location", f"http://127.0.0.1:{store_port}/{name}?Signature=x"))
                log("hub", path, "-", 0, self.token)
                return self.answer(302, headers)
            with open(os.path.join(options.root, name), "rb") as file:
                body = file.read()
            log("hub", path, "-", len(body), self.token)
            return self.answer(200, [*headers, ("ETag", f'"{sha1}"')], body)
        self.answer(404, [("X-Error-Code", "EntryNotFound" if match else "RepoNotFound")])

    @staticmethod
    def is_large(name):
        return name.endswith(".safetensors") or FILES[name][0] > LARGE

    def store(self, url):
        name = urllib.parse.unquote(url.path)[1:]
        size, _, sha256 = FILES[name]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, size - 1
        if match:
            first = int(match[1])
            last = min(int(match[2] or last), last)
        self.send_response(206 if match else 200)
        self.send_header("ETag", f'"{sha256[:32]}"')
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.flush()
        sent = 0
        try:
            with open(os.path.join(options.root, name), "rb") as file:
                step = 1 << 16 if options.rate else 1 << 24
                while self.command != "HEAD" and first + sent <= last:
                    count = os.sendfile(
                        self.connection.fileno(), file.fileno(), first + sent, min(step, last + 1 - first - sent))
                    if count == 0:
                        break
                    sent += count
                    if options.rate:
                        time.sleep(count / options.rate)
        finally:
            log("store", name, f"{first}-{last}", sent, self.token)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, address):
        """Clients that were killed are no error."""


class Store(Handler):
    is_store = True


store = Server(("127.0.0.1", options.cdn_port), Store)
hub = Server(("127.0.0.1", options.port), Handler)
store_port = store.server_address[1]
threading.Thread(target=store.serve_forever, daemon=True).start()
print(hub.server_address[1], store_port, COMMIT, flush=True)
hub.serve_forever()
