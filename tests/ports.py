"""Ports for servers that are started a moment later."""

import socket
from random import SystemRandom

# Below those that systems hand out by themselves: nobody else is given one of these meanwhile.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    while True:
        port = SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
