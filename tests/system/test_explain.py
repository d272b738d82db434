"""penstockctl explain: a job's whole life, also the part that an earlier daemon saw."""
import penstock_test
from penstock_test import until


class Explain(penstock_test.Case):
    ENGINES = ("memory", "sqlite")

    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def life(self, daemon, job):
        return daemon.ctl("explain", job, check=0).stdout

    def start(self, engine="sqlite", **settings):
        return self.daemon({"store.engine": engine, "store.path": self.dir / "db", "fetch.retry_delay": "10ms",
                            "fetch.retry_delay_max": "20ms", **settings})

    def test_attempts_that_failed(self):
        for engine in self.ENGINES:
            with self.subTest(engine=engine):
                daemon = self.start(engine)
                url = self.web.url(f"/bytes?n=1000&cut=10&first=2&etag=none&modified=0&id={engine}")
                job = daemon.submit(url)
                self.assertEqual(daemon.verdict(job)["state"], "done")
                daemon.call("wait", {"ids": [job]})
                lines = daemon.events("attempt", job)[:-1]
                self.assertEqual(daemon.call("show", {"id": job})["attempts"], lines)
                self.assertEqual([line["outcome"] for line in lines], ["retry", "retry"])
                self.assertRegex(self.life(daemon, job), r"(?s)submitted by uid.*attempt 1 failed: truncated: .*status 200; 10 B had "
                                 r"arrived.*next attempt was due after.*attempt 2 failed: truncated.*attempt 3 began, after.*done, "
                                 r".*how its end was verified: it has as many bytes as")
                daemon.stop()

    def test_a_life_over_several_starts(self):
        daemon = self.start()
        job = daemon.submit(self.web.url("/lines?n=100&hold=gate"), parser="lines")
        until(lambda: daemon.state(job) == "running", "it runs")
        daemon.kill()
        daemon = self.start(**{"daemon.drain": "10ms"})
        until(lambda: daemon.state(job) == "running" and daemon.call("show", {"id": job})["attempt"] == 2, "it runs again")
        self.assertRegex(self.life(daemon, job), r"(?s)attempt 1 was interrupted: .*attempt 2 is running since .*waits for: origin")
        daemon.stop()
        self.web.release("gate")
        daemon = self.start()
        self.assertEqual(daemon.verdict(job)["attempt"], 3)
        daemon.call("wait", {"ids": [job]})
        self.assertRegex(self.life(daemon, job), r"(?s)attempt 1 was interrupted.*attempt 2 was interrupted.*attempt 3 began.*done")

    def test_what_to_do(self):
        daemon = self.start("memory")
        job = daemon.submit(self.web.url("/bytes?n=10&status=404"))
        daemon.verdict(job)
        daemon.call("wait", {"ids": [job]})
        life = self.life(daemon, job)
        self.assertRegex(life, r"(?m)^What to do: The origin said no")
        command = life.splitlines()[-1].removeprefix("Then: penstockctl ").split()
        self.assertIn(f"retries {job}", daemon.ctl(*command, check=0).stdout)


if __name__ == "__main__":
    penstock_test.main()
