"""The form where a browser shows its token once, and the cookie that it gets for it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from radseek.retrieval.document import NOTICE
from radseek.server.auth import COOKIE, LoginSessions, role_of_token, too_many
from radseek.server.settings import Settings

__all__ = ["login_routes"]

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>radseek: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ background: #15181c; color: #e6e8eb; font: 16px/1.5 system-ui, sans-serif; margin: 0; display: grid;
  place-items: center; min-height: 100vh; }}
main {{ width: min(24rem, 90vw); }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit; }}
input {{ margin: .4rem 0 1rem; padding: .6rem; background: #0d0f12; color: inherit; border: 1px solid #7a828c;
  border-radius: 6px; }}
button {{ padding: .6rem; background: #2f6fb3; color: #fff; border: 0; border-radius: 6px; cursor: pointer; }}
:focus-visible {{ outline: 3px solid #8ec5ff; outline-offset: 2px; }}
p[role=alert] {{ color: #ffb4a8; }}
small {{ color: #aab1ba; }}
</style></head>
<body><main><h1>radseek</h1>{alert}
<form method="post" action="/login"><label for="token">Access token · 访问令牌</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in · 登录</button></form>
<p><small>{notice} 仅供研究使用，不是医疗器械。</small></p></main></body></html>"""
_WRONG: Final = '<p role="alert">This token is not known; look at it again. · 令牌无效，请重新检查。</p>'


def login_routes(settings: Settings, sessions: LoginSessions) -> APIRouter:
    """Return the routes of the form; they are no part of the API."""
    router, failures = APIRouter(include_in_schema=False), sessions.failures

    @router.get("/login")
    def form() -> Response:
        """Show the form."""
        return _form() if settings.guarded else RedirectResponse("/", 303)

    @router.post("/login")
    def log_in(request: Request, token: str = Form("", max_length=1_000)) -> Response:
        """Begin a session for a known token."""
        address = request.client.host if request.client else ""
        if wait := failures.wait(address):
            return too_many(wait)
        role = role_of_token(token.strip(), settings)
        if role is None or role == "site":  # the page is not for other sites
            failures.add(address)
            return _form(_WRONG, 401)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, sessions.start(role), httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        """End the session."""
        sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def _form(alert: str = "", status: int = 200) -> HTMLResponse:
    page = _PAGE.format(alert=alert, notice=NOTICE)
    return HTMLResponse(page, status, {"Content-Security-Policy": _POLICY})
