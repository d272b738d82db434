"""A server that remembers what it was asked, for tests of requests.

    /ok                 "fine\n"
    /status/NNN         that status; the body says the request's head back
    /redirect/NNN?to=…  there, and a header for each &header=NAME:VALUE
    /mirror/…?to=…      there, with the rest of the query; or, with &wrap=1, with the whole URL in a parameter
    /valid              as /head; 304 if it is asked for with the ETag that this has
    /cut                self.body with self.cut_fields, but cut in its middle, unless a Range is asked for
    /head               self.status, whatever self.extra_headers says, and self.body
"""
import contextlib
import http.server
import ssl
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body leave together

    def log_message(self, *unused):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        recorder = self.server.recorder
        recorder.requests.append({"method": self.command, "path": self.path, "headers": dict(self.headers.items()),
                                  "body": body})
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.split("/")
        status, text, headers = 200, b"fine\n", []
        if parts[1] == "status":
            status, text = int(parts[2]), f"{self.requestline}\n{self.headers}".encode()
        elif parts[1] == "redirect":
            status = int(parts[2])
            query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
            # The bytes as they are, which HTTP has no letters for.
            headers = [("Location", query["to"][0].encode().decode("latin-1"))]
            headers += [tuple(h.split(":", 1)) for h in query.get("header", ())]
        elif parts[1] == "mirror":
            query = urllib.parse.parse_qsl(url.query)
            rest = [(k, v) for k, v in query if k not in ("to", "wrap")]
            if ("wrap", "1") in query:
                rest = [("return", recorder.url(self.path))]
            status, headers = 302, [("Location", dict(query)["to"] + "?" + urllib.parse.urlencode(rest))]
        elif parts[1] == "cut":
            self.cut(recorder.body)
            return
        elif parts[1] in ("head", "valid"):
            status, text, headers = recorder.status, recorder.body, recorder.extra_headers
            asked = self.headers.get("If-None-Match")
            if parts[1] == "valid" and asked and ("ETag", asked) in headers:
                status, text, headers = 304, b"", recorder.headers_of_304
        self.send_response_only(status)
        if recorder.date:
            self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        if recorder.open_end and parts[1] == "head":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(text)))
            if recorder.closes:
                self.send_header("Connection", "close")
                self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def cut(self, body):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        for name, value in self.server.recorder.cut_fields[1 if start else 0]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start:] if start else body[:len(body) // 2])
        self.close_connection = True

    do_GET = do_HEAD = do_POST = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def shutdown_request(self, request):
        """TLS says that it ends: later libcurls take an end without that for a cut."""
        if isinstance(request, ssl.SSLSocket):
            request.settimeout(0)
            with contextlib.suppress(OSError, ValueError):
                request.unwrap()  # without waiting for the other side's
        super().shutdown_request(request)

    def handle_error(self, *unused):  # a client that leaves is none of our business
        pass


class Recorder:
    def __init__(self, test, context=None, host="127.0.0.1"):
        self.requests = []
        self.extra_headers = []
        self.headers_of_304 = []
        self.cut_fields = [[("ETag", '"1"')], [("ETag", '"1"')]]  # of the whole, and of the rest
        self.date = True
        self.status = 200
        self.body = b"fine\n"
        self.open_end = False  # of /head
        self.closes = False  # the connection, after each answer
        self.server = Server((host, 0), Handler)
        self.server.recorder = self
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.scheme = "https" if context else "http"
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)

    def url(self, path, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def last(self):
        return self.requests[-1]

    def header(self, name):
        return next((v for k, v in self.last()["headers"].items() if k.lower() == name.lower()), None)
