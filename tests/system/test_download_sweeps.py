"""Downloads by a daemon that runs out: each allocation of each scenario fails in turn. Nothing of it crashes it, holds
it up or gives a wrong word: every attempt that fails for it fails as `resources` and is tried again.

A sample of each sweep runs here; PENSTOCK_SWEEP=NAME,NAME (or `all`) plays all calls of these."""
import io
import os
import tarfile

import penstock_test
import sweep
import sweep_downloads

ALL = "" if sweep.FEW else os.environ.get("PENSTOCK_SWEEP", "")
SAMPLE = None if ALL else 8 if sweep.FEW else 40


class DownloadSweeps(penstock_test.Case):
    def place(self):
        """The origin's files, and the daemon's config."""
        with io.BytesIO() as packed:
            with tarfile.open(fileobj=packed, mode="w:gz") as tar:
                for name, body in (("a.txt", b"one\ntwo\n"), ("b.txt", b"three\n")):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(body)
                    tar.addfile(entry, io.BytesIO(body))
            self.wrote("root/a.tar.gz", packed.getvalue())

    def play(self, names, **kwargs):
        self.place()
        told = []
        for name in names:
            scenario, settings, allowed = sweep_downloads.SCENARIOS[name]
            origin, config = sweep_downloads.place(self, name)
            done = sweep_downloads.Sweep(self, name, scenario, settings, allowed, origin=origin,
                                         config=self.wrote(f"{name}.conf", config), **kwargs)
            done.sweep(SAMPLE)
            print(f"{name}: {done.runs} runs, {done.struck} struck, {done.crashes} crashes, {done.hangs} hangs, {done.wrong} wrong", flush=True)
            told += done.faults
        if told:
            self.fail("\n".join(told))

    def test_downloads(self):
        self.play([name for name in sweep_downloads.SCENARIOS if ALL in ("", "all") or name in ALL.split(",")])


if __name__ == "__main__":
    penstock_test.main()
