"""The commands that listen: serve (the API and the page on an index) and demo (the page, on phantoms if need be)."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Annotated, Final

import typer

from radseek.app.session import Session
from radseek.app.upload_folder import upload_folder
from radseek.cli.console import errors, print_notice, progress
from radseek.cli.options import Milvus, Model
from radseek.retrieval.encoders.encoder import TextCutWarning
from radseek.retrieval.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from radseek.server.settings import Settings

__all__ = ["demo", "serve"]

_PORT: Final = 7861

Index = Annotated[Path | None, typer.Option("--index", help="The index folder; without one only what is uploaded.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]


def serve(
    index: Index = None,
    model: Model = None,
    milvus: Milvus = None,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond this machine only with a token.")] = (
        "127.0.0.1"
    ),
    port: Port = _PORT,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that may read; or set RADSEEK_TOKEN.")
    ] = None,
    admin_token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that may also change the index; or RADSEEK_ADMIN_TOKEN.")
    ] = None,
    site_token_file: Annotated[
        Path | None,
        typer.Option(help="A file with the token for other sites, which reads no report; or RADSEEK_SITE_TOKEN."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name under which others reach this server; repeatable.")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="The API alone, without the web page.")] = False,
) -> None:
    """Answer over HTTP: the API under /v1, and the web page."""
    _need("fastapi", "serve" if no_page else "demo")
    from radseek.server.settings import read_settings

    names = tuple(allow_host or ())
    settings = read_settings(
        host,
        port,
        token_file=token_file,
        admin_token_file=admin_token_file,
        site_token_file=site_token_file,
        names=names,
    )
    if milvus is not None and index is None:
        raise UsageError("--milvus holds the views of an index; give that index too, with --index DIR.")
    with Session.open(index, model, milvus) as session:
        _run(session, settings, page=not no_page)


def demo(
    index: Annotated[
        Path | None, typer.Option("--index", help="The index folder; without one phantoms are made, once.")
    ] = None,
    port: Port = _PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Open the web page in the browser; without an index on synthetic scans."""
    _need("gradio", "demo")
    from radseek.cli.demo_archive import phantom_session
    from radseek.server.settings import read_settings

    settings = read_settings(port=port)
    if index is not None:
        session = Session.open(index)
    else:
        errors.print("radseek: preparing the synthetic archive (the first time takes a minute)", markup=False)
        with progress() as update:
            session = phantom_session(update)
    with session:
        _run(session, settings, page=True, browser=not no_browser)


def _run(session: Session, settings: Settings, *, page: bool, browser: bool = False) -> None:
    """Listen until asked to end."""
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(settings.host, settings.port))
        from radseek.server.server_app import create_app

        shown = None
        if page:
            stack.enter_context(_gradio_at_home())
            shown = _page(session, settings)
        app = create_app(session, settings, shown)
        url = _url(settings.host, listener.getsockname()[1])
        Thread(target=_warm, args=(session,), daemon=True).start()
        errors.print(f"radseek: listening at {url}{_who(settings)}; Ctrl-C ends it", markup=False, soft_wrap=True)
        print_notice(meaningless=False)
        if browser:
            opener = Timer(1.0, webbrowser.open, [url])
            opener.daemon = True
            opener.start()
        _listen(app, listener)


def _listen(app: ASGIApp, listener: socket.socket) -> None:
    import uvicorn

    from radseek.server.connections import server_config

    logging.getLogger("radseek.server").setLevel(os.environ.get("RADSEEK_LOG", "WARNING").upper())
    # What was asked is in nobody's log: an encoder warns of long words by quoting them.
    warnings.simplefilter("ignore", TextCutWarning)
    # Told to end, leave every block on the way: what was sent is deleted, the index is closed.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    uvicorn.Server(server_config(app)).run(sockets=[listener])


def _page(session: Session, settings: Settings) -> FastAPI:
    """Return an app with the page in it."""
    _need("gradio", "demo")
    from fastapi import FastAPI

    from radseek.demo.page.mount import mount_page
    from radseek.html.session_explanation import explain_html
    from radseek.server.problems import answer_errors

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    answer_errors(app)
    mount_page(app, session, explain=explain_html, max_upload=settings.uploads.stored)
    return app


@contextmanager
def _gradio_at_home() -> Iterator[None]:
    """Keep what Gradio writes in a private folder that goes with the server, and Gradio itself off the network."""
    own = {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SHARE": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    with upload_folder() as folder:
        before = {name: os.environ.get(name) for name in (*own, "GRADIO_TEMP_DIR")}
        os.environ.update(own, GRADIO_TEMP_DIR=str(folder))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _need(package: str, extra: str) -> None:
    """Raise `MissingExtraError` where a package of an extra is not installed."""
    from importlib.util import find_spec

    if find_spec(package) is None or find_spec("uvicorn") is None:
        raise MissingExtraError(f"This command needs {package}; install it with: pip install 'radseek[{extra}]'")


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """Open the port before anything slow is loaded. Raises `UsageError` where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        opened = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"Cannot listen at {host} port {port} ({reason}); choose another with --port.") from error
    with opened:
        # Its connections are without delay too; asyncio sees to that only for sockets that it opened itself.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield opened


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{shown}]:{port}/" if ":" in shown and not shown.startswith("[") else f"http://{shown}:{port}/"


def _who(settings: Settings) -> str:
    return " (a token is asked for)" if settings.guarded else " (this machine only, no token asked for)"


def _warm(session: Session) -> None:
    """Prepare the usual questions while nobody asks yet; a failure shows when they are asked."""
    try:
        session.warm()
    except Exception:
        logging.getLogger("radseek.server").warning("the session could not be warmed", exc_info=True)
