"""A table of bodies, and what a parser makes of each: on a thread, in a process of its own behind its sandbox, and
under `penstockd --parse`. The same records everywhere, and the same verdict."""
import contextlib
import json
import socket
import threading

import penstock_test

PENSTOCKD = penstock_test.BIN / "penstockd"
# What a verdict may say of the text. A row says what of it is there; the rest must not be.
MEMBERS = ("charset", "replaced", "repaired", "decoded_bytes")


class Row:
    """`job`: options of the job (charset, charset_errors, decode); `error`: None, or its kind and a part of its message."""

    def __init__(self, name, parser, body, records, type=None, job=None, options=None, error=None, members=(), **verdict):
        self.name, self.parser, self.body, self.records = name, parser, body, records
        self.type, self.job, self.options, self.error = type, job or {}, options or {}, error
        self.verdict = verdict
        self.members = members  # of the verdict that are not looked at


class Server:
    """Answers /N with the N-th row's body, each on a connection of its own."""

    def __init__(self, test, rows):
        self.rows = rows
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.base = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(penstock_test.DEADLINE)

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            row = self.rows[int(head.split()[1].strip(b"/"))]
            lines = ["HTTP/1.1 200 OK", "Connection: close", f"Content-Length: {len(row.body)}"]
            if row.type:
                lines.append(f"Content-Type: {row.type}")
            client.sendall("\r\n".join([*lines, "", ""]).encode() + row.body)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass


class Case(penstock_test.Case):
    def check_rows(self, rows):
        parsers = sorted({row.parser for row in rows})
        alone = "".join(f'[parser "{p}-alone"]\ntype = {p}\nisolation = process\n' for p in parsers)
        server = Server(self, rows)
        daemon = self.daemon({"defaults.max_attempts": "1"}, config=self.wrote("alone.conf", alone))
        jobs = [[daemon.submit(f"{server.base}/{n}", parser=row.parser + how, options=row.options, **row.job)
                 for how in ("", "-alone")] for n, row in enumerate(rows)]
        for row, (thread, process) in zip(rows, jobs):
            with self.subTest(row=row.name):
                here = daemon.verdict(thread), daemon.records(thread)
                self.check_way(row, "on a thread", *here)
                there = daemon.verdict(process), daemon.records(process)
                self.check_way(row, "in a process", *there)
                parsed = self.parse_row(row)
                self.check_way(row, "--parse", *parsed)
                self.assertEqual(there[0].get("error"), here[0].get("error"))
                self.assertEqual(self.told(parsed[0].get("error")), self.told(here[0].get("error")))

    def told(self, error):
        """--parse tells the place apart from the message; a job's message has it in front or behind."""
        return error and error["kind"]

    def check_way(self, row, way, verdict, records):
        kind, message = row.error or (None, "")
        said = {k: verdict[k] for k in MEMBERS if k in verdict and k not in row.members}
        found = records, verdict["state"], (verdict.get("error") or {}).get("kind"), said
        wanted = row.records, "failed" if kind else "done", kind, row.verdict
        self.assertEqual(found, wanted, f"{way}: {verdict}")
        self.assertIn(message, (verdict.get("error") or {}).get("message", ""), way)

    def parse_row(self, row):
        """The verdict, and the records."""
        options = [f"--{k.replace('_', '-')}={v}" for k, v in row.job.items()]
        options += [f"--option={k}={v}" for k, v in row.options.items()]
        if row.type:
            options.append(f"--content-type={row.type}")
        done = penstock_test.run(PENSTOCKD, "--config", "/dev/null", "--parse", row.parser, *options, self.wrote("input", row.body),
                                 check=1 if row.error else 0)
        # Not splitlines, which also splits at U+2028 and the like.
        lines = [json.loads(line) for line in done.stdout.split("\n") if line]
        return lines[-1], [e["data"] for e in lines if e["event"] == "record"]
