"""What goes wrong below a client: filtered packets, a name server that is told what to say.

Only for tests marked ``alone``: the tools change the whole network they stand in.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.net.tools import eventually


def run(*command: str) -> str:
    """What a program says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Filter:
    """The packets that this machine receives, which over the loopback are all there are."""

    def __init__(self) -> None:
        run("nft", "add table inet faults")
        run("nft", "add chain inet faults arriving { type filter hook input priority 0 ; }")

    def add(self, rule: str) -> None:
        """Have a rule from now on, such as ``tcp dport 443 drop``."""
        run("nft", f"add rule inet faults arriving {rule}")

    def clear(self) -> None:
        """Let everything through again."""
        run("nft", "flush chain inet faults arriving")

    def counted(self) -> list[int]:
        """Packets that each rule with the word ``counter`` in it has met, rule by rule."""
        listed = json.loads(run("nft", "--json", "list chain inet faults arriving"))
        rules = [entry["rule"]["expr"] for entry in listed["nftables"] if "rule" in entry]
        return [e["counter"]["packets"] for rule in rules for e in rule if "counter" in e]


@contextlib.contextmanager
def program(*command: str, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs meanwhile, once it listens on the port."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if port:
            eventually(lambda: _listens(port), within=10)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


class NameServer:
    """The only name server there is: knows the names under ``lab.test`` that it is told."""

    def __init__(self, folder: Path) -> None:
        self._hosts = folder / "hosts"
        self._log = folder / "queries"
        self._process: Any = None
        self._hosts.write_text("")
        for name, text in (
            ("resolv.conf", "nameserver 127.0.0.1\n"),
            ("nsswitch.conf", "hosts: dns\n"),
        ):
            (folder / name).write_text(text)
            run("mount", "--bind", str(folder / name), f"/etc/{name}")

    @contextlib.contextmanager
    def running(self) -> Iterator[NameServer]:
        """Have it answer meanwhile."""
        options = ["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root"]
        options += ["--no-resolv", "--no-hosts", f"--addn-hosts={self._hosts}", "--local-ttl=0"]
        options += ["--no-round-robin"]
        options += ["--listen-address=127.0.0.1", "--bind-interfaces", "--local=/lab.test/"]
        options += ["--log-queries", f"--log-facility={self._log}"]
        with program("dnsmasq", *options, port=53) as self._process:
            yield self

    def lead(self, name: str, *addresses: str) -> None:
        """Let a name lead to these addresses from now on."""
        known = [line for line in self._hosts.read_text().splitlines() if name not in line]
        lines = [*known, *(f"{address} {name}" for address in addresses)]
        self._hosts.write_text("\n".join(lines) + "\n")
        self._process.send_signal(signal.SIGHUP)
        eventually(lambda: self._says(name) == set(addresses))

    def _says(self, name: str) -> set[str]:
        try:
            return {str(found[4][0]) for found in socket.getaddrinfo(name, 1)}
        except OSError:
            return set()

    def fall_silent(self) -> None:
        """Answer nothing until `speak`."""
        self._process.send_signal(signal.SIGSTOP)

    def speak(self) -> None:
        """Answer again, what was asked meanwhile first."""
        self._process.send_signal(signal.SIGCONT)
