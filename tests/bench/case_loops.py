"""Four bodies of 256 MB from four addresses of one nginx, over HTTP and TLS: two fetch loops beside one. Which loop a
host's downloads are on is a hash of its name: of these, each has two."""
import functools

from table import compare, measured

SIZE = 256_000_000
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")


def start(place, tls):
    """The URLs, and what a daemon is told of them."""
    place.text("body", place.size(SIZE, 2_000_000))
    if tls:
        port, cert, extra = place.tls(HOSTS)
        settings = {"fetch.ca_file": cert}
    else:
        port, settings = place.port(HOSTS), {}
        extra = " ".join(f"listen {host}:{port};" for host in HOSTS)
    place.nginx(extra=extra)
    return [f"http{'s' if tls else ''}://{host}:{port}/body" for host in HOSTS], settings


def loops(place, daemon, urls):
    def side(meter):
        text, = meter.run(place.ctl(daemon, "submit", *urls, "--wait"))
        assert text.count(" done ") == len(urls), text

    return measured([daemon.pid], side)


def case(place, tls):
    urls, settings = start(place, tls)
    one, two = (place.daemon({**settings, "fetch.threads": str(n)}) for n in (1, 2))
    yield from compare(place, "four bodies from four hosts, two loops beside one", loops(place, two, urls),
                       loops(place, one, urls))


CASES = {"loops": functools.partial(case, tls=False), "loops-tls": functools.partial(case, tls=True)}
