"""llama.cpp in a process of its own, which it may end: `python gguf_server.py THREADS GGUF`.

The first line on standard input is the key that requests need; it ends where that is closed. Its address is written to
standard output. It imports nothing of ours, so that it is there within a second.
"""

from __future__ import annotations

import sys

CONTEXT = 256
ABSENT = "absent"
"""Written in place of the address where llama.cpp is not installed, or not whole."""


def serve(threads: int, path: str, key: str) -> None:
    try:
        import xllamacpp
    except ImportError:
        print(ABSENT)
        return
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_parallel, parameters.n_ctx = 1, CONTEXT
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0
    parameters.fit_params = parameters.warmup = parameters.ui = parameters.endpoint_slots = False
    parameters.cache_ram_mib = 0
    parameters.verbosity = 0
    parameters.n_gpu_layers = 0
    parameters.api_keys = [key]  # it listens on a loopback port, closed to others by this
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.stdin.readline().strip())
