"""The worker process that gunicorn starts, ends and replaces; what it serves is the front's."""

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as GunicornWorker

from db.settings import settings
from web import limits
from web.front.connection import Connection
from web.front.loop import SWEEP_SECONDS, Front
from web.front.ready import finder
from web.front.threads import STUCK_SECONDS, Threads
from web.front.time_limits import CLOSE_SECONDS
from web.front.wsgi_environ import shared_environ
from web.processes import code_on_disk

log = logging.getLogger(__name__)
BACKLOG = 2048
AT_ONCE = 1
"""Connections that are accepted in one turn of the loop: so all processes get some, and room is made in time."""


class Worker(GunicornWorker):  # type: ignore[misc]  # gunicorn carries no types
    """Runs the front's loop until it is told to end, and then answers what has been asked."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        import web.app  # noqa: F401  before the fork: the workers share what is imported, as long as nobody writes there

        gc.collect()
        gc.freeze()

    def init_process(self) -> None:
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        code_on_disk.hold_if_changed(self.notify)
        self.loop = asyncio.new_event_loop()
        super().init_process()

    def init_signals(self) -> None:
        self._stopped = asyncio.Event()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # gunicorn's word for logs in files, of which there are none
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
            self.loop.add_signal_handler(number, self._stopped.set)

    def load_wsgi(self) -> None:
        """Make the application, in this process. What it refuses ends the server: it would refuse again."""
        limits.served_by(self.cfg.workers, self.cfg.threads)
        try:
            super().load_wsgi()
        except SystemExit as refused:
            print(refused.code, file=sys.stderr, flush=True)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def run(self) -> None:
        threads = Threads(self.cfg.threads)
        self.loop.run_until_complete(self._serve(threads))
        if threads.are_stuck():
            logging.shutdown()
            os._exit(1)  # Python's own end may wait for what the threads hold

    async def _serve(self, threads: Threads) -> None:
        threads.start()
        name, port = self.sockets[0].sock.getsockname()[:2]
        shared = shared_environ(name, port, processes=self.cfg.workers)
        uploads = getattr(self.wsgi, "config", {}).get("UPLOADS", {})
        direct = settings().trusted_proxies == 0
        front = Front(self.loop, self.wsgi, threads, shared, finder(self.wsgi), uploads, counts_networks=direct)
        servers = []
        for each in self.sockets:
            servers.append(await self.loop.create_server(lambda: Connection(front), sock=each.sock, backlog=AT_ONCE))
            each.sock.listen(BACKLOG)  # asyncio has taken the other number for this one, too
        while not self._stopped.is_set() and os.getppid() == self.ppid and not self._is_stuck(threads):
            front.sweep()
            self.notify()
            await self._pause()
        await self._accept_no_more()
        if not threads.are_stuck():  # else the other processes take them
            await self._accept_the_rest(front)
        for server in servers:
            server.close()
        await self._finish(front, CLOSE_SECONDS if threads.are_stuck() else self.cfg.graceful_timeout - 1)

    async def _accept_no_more(self) -> None:
        """Stop asyncio's own accepting, and let begin what it has just accepted: once its server is closed, asyncio
        drops such a connection, which is then reset when the process ends."""
        for each in self.sockets:
            self.loop.remove_reader(each.sock)
        await asyncio.sleep(0)

    async def _accept_the_rest(self, front: Front) -> None:
        """Take the connections that wait in the kernel: it would reset them."""
        for each in self.sockets:
            with suppress(OSError):
                while True:
                    client, _ = each.sock.accept()
                    await self.loop.connect_accepted_socket(lambda: Connection(front), client)

    def _is_stuck(self, threads: Threads) -> bool:
        if not threads.are_stuck():
            return False
        told = "; ".join(threads.where())
        log.critical("no request has got on for %.0f s: this process is replaced. %s", STUCK_SECONDS, told)
        return True

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await self._stopped.wait()
        except TimeoutError:
            return

    async def _finish(self, front: Front, seconds: float) -> None:
        """Answer what has been asked, within the time that gunicorn leaves."""
        front.stop()
        end = self.loop.time() + seconds
        while front.connections and self.loop.time() < end:
            self.notify()
            front.sweep()
            await asyncio.sleep(0.05)
        front.threads.end()
