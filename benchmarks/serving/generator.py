"""The load generator, a process of its own: clients that each send a request when the last one was answered.

It reads its task from standard input, and writes what it measured to standard output, both as one JSON object. It
imports nothing but the standard library, so that it starts fast and uses little time of the processor.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from serving.http import Connection, Lost, request_bytes

#: How an answer of the model itself begins to differ from that of popularity.
_BY_THE_MODEL = b'"fallback":null'


async def generate(port: int, bodies: list[dict[str, Any]], clients: int, seconds: float, warmup: float) -> Any:
    """Latencies in seconds, answers by status, and the processor time of this process."""
    requests = [request_bytes("POST", "/v1/recommend", body) for body in bodies]
    begin = time.perf_counter() + warmup
    end = begin + seconds
    latencies: list[float] = []
    statuses: Counter[str] = Counter()

    async def client(number: int) -> None:
        position = number
        async with Connection(port) as connection:
            while (sent := time.perf_counter()) < end:
                position += clients
                try:
                    reply = await connection.send(requests[position % len(requests)])
                    status = str(reply.status)
                    if reply.status == 200 and _BY_THE_MODEL not in reply.body:
                        status = "200 by popularity"
                except Lost:
                    status = "lost"
                now = time.perf_counter()
                if begin <= now < end:  # an answer counts where it ends
                    latencies.append(now - sent)
                    statuses[status] += 1

    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    await asyncio.sleep(max(0.0, begin - time.perf_counter()))
    before = time.process_time()
    await asyncio.gather(*tasks)
    return {"latencies": latencies, "statuses": statuses, "processor": time.process_time() - before}


def measure(**task: Any) -> Any:
    """What `generate` measures, in a new process."""
    command = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    json.dump(asyncio.run(generate(**json.load(sys.stdin))), sys.stdout)
