"""A body of 2 MB in chunks of one byte, which an origin may send and curl takes: what it costs beside curl."""
import socket
import threading

from table import compare, measured

COUNT, QUICK = 2_000_000, 20_000


def serve(body):
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client):
        with client:
            client.recv(65536)
            client.sendall(body)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def measure(place):
    count = place.size(COUNT, QUICK)
    port = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * count + b"0\r\n\r\n")
    url = f"http://127.0.0.1:{port}/"
    daemon = place.daemon()

    def ours(meter):
        text, = meter.run(place.ctl(daemon, "submit", url, "--wait"))
        assert text.count(" done ") == 1, text

    def curl(meter):
        counted, = meter.run(f"curl -sf {url} | wc -c")
        assert int(counted) == count, counted

    yield from compare(place, f"{count:,} chunks of a byte, beside curl | wc -c", measured([daemon.pid], ours),
                       measured([], curl), {"cpu": 4})


CASES = {"crumbs": measure}
