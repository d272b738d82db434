"""Servers and gateways as people have them, each on a free port of 127.0.0.1 with a config of its own; and a relay that
cuts their connections where a test wants it."""
import contextlib
import os
import shutil
import socket
import threading
import unittest

import penstock_test
from penstock_test import Program, find_server, free_ports, until


class Relay:
    """Passes connections on to a port. The first `cuts` of them whose status is one of `statuses` are cut after so many bytes of the answer; before
    the client hears of it, on_cut() is called. on_status(status) is called before an answer's status is passed on."""

    def __init__(self, test, port, cut=None, cuts=1, on_cut=None, on_status=None, statuses=(200,)):
        self.statuses_cut = statuses
        self.to, self.cut, self.cuts, self.on_cut, self.on_status = port, cut, cuts, on_cut, on_status
        self.statuses = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        test.addCleanup(self.close)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.to))
        except OSError:
            client.close()
            return
        threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
        self.answer(server, client)
        for s in (client, server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    @staticmethod
    def pass_on(client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def answer(self, server, client):
        passed, limit, fresh = 0, None, True
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if fresh:
                    fresh = False
                    status = int(data.split(b" ", 2)[1])
                    with self.lock:
                        self.statuses.append(status)
                        if self.cut is not None and self.cuts > 0 and status in self.statuses_cut:
                            self.cuts -= 1
                            limit = self.cut
                    if self.on_status:
                        self.on_status(status)
                if limit is not None and passed + len(data) >= limit:
                    client.sendall(data[:limit - passed])
                    if self.on_cut:
                        self.on_cut()
                    return
                client.sendall(data)
                passed += len(data)


class Server(Program):
    """One of them. A subclass says its command, and writes the config that it needs below self.place."""

    program = None
    count = 0

    def __init__(self, test, root=None, backend=None, **options):
        Server.count += 1
        self.name = f"{type(self).__name__.lower()}{Server.count}"
        self.root, self.backend, self.options = root, backend, options
        self.binary, self.env = find_server(self.program)
        self.place = test.dir / self.name
        self.place.mkdir()
        if os.geteuid() == 0:
            for path in (test.dir, self.place):
                os.chmod(path, 0o755)
            shutil.chown(self.place, "nobody")  # some give up root
        self.test = test
        (self.port,) = free_ports(1)
        self.start()

    def start(self):
        for _ in range(5):
            Program.__init__(self, self.test, self.command(), self.name, env=self.env, cwd=self.place)
            with contextlib.suppress(AssertionError):
                until(lambda: self.answers() or not self.alive(), f"{self.name} listens")
                if self.alive():
                    return
            self.kill()
            (self.port,) = free_ports(1)
        raise AssertionError(f"{self.name} does not start:\n{self.errors()[-2000:]}")

    def again(self):
        """Starts it on the port that it had."""
        Program.__init__(self, self.test, self.command(), self.name, env=self.env, cwd=self.place)
        until(self.answers, f"{self.name} listens again")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def config(self, text, name="config"):
        path = self.place / name
        path.write_text(text)
        return path

    def kill(self):
        if self.alive():
            self.process.terminate()
            with contextlib.suppress(penstock_test.subprocess.TimeoutExpired):
                self.process.wait(5)
        super().kill()


class Nginx(Server):
    program = "nginx"

    def command(self):
        temps = "\n".join(f"{kind}_temp_path {self.place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        what = f"proxy_pass http://127.0.0.1:{self.backend}; proxy_http_version 1.1;" if self.backend else f"root {self.root};"
        user = "user nobody nogroup;" if os.geteuid() == 0 else ""
        config = self.config(f"""{user} daemon off; worker_processes 1; pid {self.place}/pid; error_log {self.place}/log;
events {{ worker_connections 512; }}
http {{ {temps} access_log off; default_type text/plain;
  server {{ listen 127.0.0.1:{self.port}; location / {{ {what} {self.options.get("extra", "")} }} }} }}""")
        return [self.binary, "-p", self.place, "-e", self.place / "log", "-c", config]


class Apache(Server):
    program = "apache2"

    def command(self):
        beside = os.path.join(os.path.dirname(os.path.dirname(self.binary)), "lib", "apache2", "modules")
        modules = beside if os.path.isdir(beside) else "/usr/lib/apache2/modules"
        load = "\n".join(f"LoadModule {m}_module {modules}/mod_{m}.so" for m in
                         ("mpm_event", "authz_core", "mime", "filter", "deflate", "brotli"))
        user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
        config = self.config(f"""ServerRoot {self.place}
DefaultRuntimeDir {self.place}
PidFile {self.place}/pid
ErrorLog {self.place}/log
ServerName localhost
Listen 127.0.0.1:{self.port}
{load}
{user}
TypesConfig /dev/null
AddType text/plain .txt
DocumentRoot {self.root}
<Directory {self.root}>
Require all granted
</Directory>
{self.options.get("extra", "")}
""")
        return [self.binary, "-D", "FOREGROUND", "-f", config]


class Lighttpd(Server):
    program = "lighttpd"

    def command(self):
        multiarch = [p for p in (self.env.get("LD_LIBRARY_PATH") or "").split(":") if p.endswith("/lighttpd")]
        config = self.config(f"""server.document-root = "{self.root}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.stat-cache-engine = "disable"
mimetype.assign = ( ".txt" => "text/plain" )
{self.options.get("extra", "")}
""")
        return [self.binary, "-D", "-f", config, *(["-m", multiarch[0]] if multiarch else [])]


class Busybox(Server):
    program = "busybox"

    def command(self):
        return [self.binary, "httpd", "-f", "-p", f"127.0.0.1:{self.port}", "-h", self.root]


class Python(Server):
    program = "python3"

    def command(self):
        return [self.binary, "-m", "http.server", "--bind", "127.0.0.1", "-d", self.root, str(self.port)]


class Webrick(Server):
    program = "ruby"

    def command(self):
        return [self.binary, "-rwebrick", "-e", "WEBrick::HTTPServer.new(Port: ARGV[0].to_i, BindAddress: '127.0.0.1',"
                " DocumentRoot: ARGV[1], AccessLog: []).start", str(self.port), self.root]


class Haproxy(Server):
    program = "haproxy"

    def command(self):
        config = self.config(f"""global
    maxconn 200
defaults
    mode http
    timeout connect 500ms
    timeout client 20s
    timeout server 20s
    retries 0
frontend f
    bind 127.0.0.1:{self.port}
    default_backend b
backend b
    server s 127.0.0.1:{self.backend}
""")
        return [self.binary, "-db", "-f", config]


class Varnish(Server):
    program = "varnishd"

    def command(self):
        if not shutil.which("gcc"):
            raise unittest.SkipTest("varnishd compiles its configuration, and there is no gcc")
        return [self.binary, "-F", "-j", "none", "-n", self.place / "work", "-a", f"127.0.0.1:{self.port}", "-s", "malloc,32m",
                "-b", f"127.0.0.1:{self.backend}", "-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=0"]


class Squid(Server):
    program = "squid"

    def command(self):
        usr = os.path.dirname(os.path.dirname(self.binary))
        share = f"{usr}/share/squid"
        user = "cache_effective_user nobody\ncache_effective_group nogroup" if os.geteuid() == 0 else ""
        config = self.config(f"""http_port 127.0.0.1:{self.port} accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent {self.backend} 0 no-query no-digest originserver name=s
http_access allow all
cache deny all
{user}
pid_filename {self.place}/pid
access_log none
cache_store_log none
cache_log {self.place}/log
coredump_dir {self.place}
mime_table {share}/mime.conf
icon_directory {share}/icons
error_directory {usr}/share/squid-langpack/templates
unlinkd_program {usr}/lib/squid/unlinkd
logfile_daemon {usr}/lib/squid/log_file_daemon
visible_hostname localhost
pinger_enable off
shutdown_lifetime 0 seconds
{self.options.get("extra", "")}
""")
        return [self.binary, "-N", "-f", config]
