"""Opens a page with all hostile drawings in headless Chromium and shows that it requests and runs nothing.

Usage: check-svg-page.py BIN [--out DIR] [--chromium PATH]
The drawings are those of Tests/SVGAnalysisTests/Hostile/drawings.json; their URLs point to a port on the loopback
interface that this script listens on. The page is opened as it is, and once more without its Content-Security-Policy,
so that the sanitizer alone is tested. A control page with the unsanitized drawings must be seen to request things.
"""
import argparse
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

parser = argparse.ArgumentParser()
parser.add_argument("bin", type=pathlib.Path)
parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".build-conformance/svg-page"))
parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome") or "chromium")
arguments = parser.parse_args()
root = pathlib.Path(__file__).resolve().parent.parent
out = arguments.out.resolve()
drawings = out / "hostile"
drawings.mkdir(parents=True, exist_ok=True)


def content(parts):
    data = b""
    for part in parts:
        pieces = part["text"].split("\0")
        piece = b"".join(
            bytes.fromhex(text[5:]) if text.startswith("BYTE:") else text.encode() for text in pieces)
        data += piece * part.get("times", 1)
    return data


hostile = json.loads((root / "Tests/SVGAnalysisTests/Hostile/drawings.json").read_text())["drawings"]
lines = []
for drawing in hostile:
    data = content(drawing["parts"])
    (drawings / f"{drawing['name']}.svg").write_bytes(data)
    lines.append(json.dumps({"id": drawing["name"], "prompt": f"hostile drawing {drawing['name']}"}))
(out / "prompts.jsonl").write_text("\n".join(lines) + "\n")

subprocess.run(
    [arguments.bin / "pouch-svg-eval", "--base", root / "samples/Pelican-10M-A5M", "--prompts", out / "prompts.jsonl",
     "--include", f"hostile={drawings}", "--out", out / "run", "-n", "8", "--force", "-q"],
    check=True, stdout=subprocess.DEVNULL)
page = out / "run/index.html"

requests = []
listener = socket.create_server(("127.0.0.1", 8877))


def serve():
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                requests.append(connection.recv(300).split(b"\r\n")[0].decode(errors="replace"))
                connection.sendall(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                pass


threading.Thread(target=serve, daemon=True).start()


def visit(path, name):
    """Opens a page; returns requests seen by the server, and URLs of Chromium's own network log, the page left out."""
    requests.clear()
    log = out / f"{name}-netlog.json"
    subprocess.run(
        [arguments.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--no-first-run", "--disable-sync", "--disable-default-apps",
         "--window-size=1280,3000", "--timeout=8000", f"--user-data-dir={out}/profile-{name}",
         f"--log-net-log={log}", f"--screenshot={out}/{name}.png", f"file://{path}"],
        check=True, capture_output=True, timeout=240)
    shutil.rmtree(out / f"profile-{name}", ignore_errors=True)
    # URLs of requests that the network service was asked for.
    urls = set(re.findall(r'"url":"((?:https?|ftp|wss?)://[^"]*)"', log.read_text(errors="replace")))
    return list(requests), sorted(url for url in urls if "127.0.0.1:8877" in url), sorted(urls)


failed = False
control = out / "control.html"
shown = ["script", "image", "onload", "style-import", "use-external"]
control.write_text(
    "<!DOCTYPE html><meta charset=utf-8>"
    + "".join(content(d["parts"]).decode(errors="replace") for d in hostile if d["name"] in shown))
seen, _, _ = visit(control, "control")
print(f"control page, unsanitized: {len(seen)} requests")
if not seen:
    failed = True

bare = page.with_name("without-policy.html")
text = page.read_text()
# Without the policy, and with everything rendered at once.
bare.write_text(
    re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("content-visibility:auto", ""))
assert bare.read_text() != text
for path, name in [(page, "page"), (bare, "page-without-policy")]:
    seen, ours, every = visit(path, name)
    print(f"{name}: {len(hostile)} hostile drawings, {len(seen)} requests at the server, {len(ours)} in Chromium's log")
    foreign = [url for url in every if not re.match(r"https?://([^/]*\.)?(google|gstatic|googleapis)\.", url)]
    for url in seen + ours + foreign:
        print("  ", url)
    if seen or ours or foreign:
        failed = True
if re.search(r"<script|<foreignObject|<image|<iframe|<[^>]*\son[a-z]+\s*=", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S), re.I):
    print("the page has markup that could run")
    failed = True
sys.exit(1 if failed else 0)
