"""What every test that runs real programs shares: servers, proxies, the command line, and comparing.

    from harness import Server, Proxy, shop

    with Server() as server, Proxy(server, [shop.users_name("shop")]) as proxy:
        proxy.ctl("dual-write", "users_name")
        with proxy.connect(database="shop") as connection: ...

tests/e2e, tests/demo and tests/bench use it. Everything started here lives in temporary directories on free
ports, ends with its owner (`with`, or close()), and dies with the Python process if that is killed.
"""

from . import lines, shop, twin
from .client import Client, ClientError
from .ctl import Ctl, CtlError
from .fake import FakeMysql
from .process import Failure, Process, free_port, repository, wait_until
from .proxy import Migration, Proxy
from .server import Server, numbers
from .twin import Twin

__all__ = [
    "Client", "ClientError", "Ctl", "CtlError", "Failure", "FakeMysql", "Migration", "Process", "Proxy", "Server", "Twin", "free_port", "lines", "numbers",
    "repository", "shop", "twin", "wait_until",
]
