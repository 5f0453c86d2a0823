"""A cloud's API on loopback: a small state behind the vendor's specification, which every request and answer is held against; and faults."""

import copy
import http.server
import json
import threading
import time
import urllib.parse

from openapi import OpenApi


class Refusal(Exception):
    def __init__(self, status, body, headers=None):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class Fault:
    """What becomes of the next `times` requests that `which(method, path)` chooses: a status, no answer in time, or a lost one."""

    def __init__(self, which, times=1, status=None, headers=None, hang=False, lost=False, code=None):
        self.which, self.left, self.status, self.headers, self.hang, self.lost, self.code = which, times, status, headers or {}, hang, lost, code


class Mock:
    prefix = ""
    specification = None
    knows_hosts = True        # it says which addresses are servers of its own
    impact_of_a_port = "none"
    marked_by_name = False    # a balancer has no tags there
    keys = {}                 # of the spec, and the variables that say the same

    def __init__(self):
        self.api = OpenApi(self.specification) if self.specification else None
        self.violations, self.requests, self.faults = [], [], []
        self.lock = threading.RLock()
        self.over = threading.Event()
        mock = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                mock.handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}{self.prefix}"

    @property
    def endpoint(self):
        """What a spec names."""
        return self.url

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def fault(self, which, **how):
        self.faults.append(Fault(which, **how))

    def error(self, status, message, code=None):
        """The vendor's way of saying it."""
        return {"error": {"code": code or "error", "message": message}}

    def label(self, path, text):
        """What faults are chosen by."""
        return path

    def reads(self, one):
        """Whether a recorded request only asks."""
        return one["method"] == "GET"

    def remains(self):
        """All that is there and was not from the beginning."""
        return self.names()

    def credential(self, variable):
        """What a spec says in the variable's place."""
        return self.env[variable]

    def secrets(self):
        return [value for value in self.env.values() if value.startswith("token-of-the-tests")]

    def authorized(self, request):
        return True

    def handle(self, request):
        split = urllib.parse.urlsplit(request.path)
        text = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        path = split.path.removeprefix(self.prefix)
        label = self.label(path, text)
        with self.lock:
            fault = next((one for one in self.faults if one.left > 0 and one.which(request.command, label)), None)
            if fault:
                fault.left -= 1
        if fault and fault.hang:
            self.over.wait(20)
            request.close_connection = True
            return
        if fault and fault.status:
            return self.reply(request, fault.status, self.error(fault.status, "made to fail", fault.code), fault.headers)
        with self.lock:
            try:
                status, body, headers = self.served(request, path, split.query, text)
            except AssertionError as wrong:
                self.violations.append(f"{request.command} {label}: {wrong!r}")
                status, body, headers = 400, self.error(400, repr(wrong)), {}
            except Refusal as refused:
                status, body, headers = refused.status, refused.body, refused.headers
        if fault and fault.lost:
            request.close_connection = True
            request.connection.shutdown(2)
            return
        self.reply(request, status, body, headers)

    def served(self, request, path, query, text):
        body = json.loads(text) if text and "json" in request.headers.get("Content-Type", "") else None
        if not self.authorized(request):
            raise Refusal(401, self.error(401, "who are you?"))
        method = request.command
        self.requests.append({"method": method, "path": path, **({"query": query} if query else {}), **({"body": copy.deepcopy(body)} if body is not None else {})})
        if self.api and (wrong := self.api.request(method, path, query, body)):
            self.violations.append(f"{method} {path}: {wrong}")
            raise Refusal(422, self.error(422, wrong))
        answer = self.answer(method, path, urllib.parse.parse_qs(query), body, request)
        status, made, headers = (*answer, {}) if len(answer) == 2 else answer
        if self.api and (wrong := self.api.answer(method, path, status, made)):
            self.violations.append(f"the stand-in's answer to {method} {path}: {wrong}")
        return status, made, headers

    def reply(self, request, status, body, headers=None):
        data = b"" if body is None else (body.encode() if isinstance(body, str) else json.dumps(body).encode())
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def wait_until(self, holds, limit=20):
        end = time.monotonic() + limit
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)
