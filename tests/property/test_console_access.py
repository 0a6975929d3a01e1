"""No header lets a stranger into the console, and none makes it fail."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.probes.asgi_client import AsgiClient
from support.probes.hypothesis_examples import examples
from support.scenes.guarded_console import OPERATOR, TOKENS, VIEWER, make_console

COOKIE = "winchester_login_8100"
CONSOLE = make_console(tokens=TOKENS)
LOCAL = make_console(allow_actions=True)
LOGIN = CONSOLE.logged_in().cookies[COOKIE]
CSRF_TOKEN = CONSOLE.client(cookies={COOKIE: LOGIN}).get("/").json["csrf_token"]
OWN = {"127.0.0.1:8100", "[::1]:8100", "localhost:8100"}

BYTES = st.binary(max_size=80).map(lambda value: value.decode("latin-1"))
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])


def pieces(*texts: str) -> st.SearchStrategy[str]:
    """Return texts made of parts of these texts, and of other bytes."""
    parts = st.one_of(
        st.sampled_from(texts),
        st.sampled_from(texts).flatmap(
            lambda text: st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(
                lambda ends: text[min(ends) : max(ends)]
            )
        ),
        st.sampled_from([" ", "\t", ",", ";", ".", "=", ":", "@", "/", "\\", "%", "\x00", "\r\n"]),
        BYTES,
    )
    return st.lists(parts, max_size=4).map("".join)


@settings(max_examples=examples(300))
@given(
    st.lists(pieces("127.0.0.1:8100", "localhost", "evil.example", "[::1]:8100"), max_size=2),
    pieces("/", "http://127.0.0.1:8100/", "http://evil.example", "/static/console.css"),
    METHODS,
)
def test_only_own_hosts_are_served(hosts: list[str], target: str, method: str) -> None:
    client = AsgiClient(LOCAL.app, host=None)
    response = client.request(method, target, [("host", host) for host in hosts])

    assert response.status < 500
    if not (len(hosts) == 1 and hosts[0].lower() in OWN):
        assert response.status == 421


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "cookie", "x-csrf-token", "x-forwarded-for"]),
            pieces(
                "Bearer ",
                VIEWER.token[:-1],
                OPERATOR.token[1:],
                "winchester_login_8100=",
                LOGIN[:-2],
            ),
        ),
        max_size=3,
    ),
    METHODS,
)
def test_a_stranger_is_not_let_in(headers: list[tuple[str, str]], method: str) -> None:
    for path in ("/streams", "/api/v1/streams", "/streams/1/reset"):
        response = CONSOLE.client().request(method, path, headers)
        assert response.status in (303, 401, 429)


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["origin", "sec-fetch-site", "x-csrf-token", "content-type"]),
            pieces("http://127.0.0.1:8100", "same-origin", "null", CSRF_TOKEN[:-1]),
        ),
        max_size=3,
    ),
    BYTES.map(lambda text: text.encode("latin-1")),
)
def test_a_login_without_its_csrf_token_changes_nothing(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    client = CONSOLE.client(cookies={COOKIE: LOGIN})
    response = client.post("/streams/1/reset", headers, body)
    assert response.status in (400, 403)
