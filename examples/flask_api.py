"""The same API on Flask: `flask --app flask_api run`."""

from collections.abc import Callable
from functools import wraps

from flask import Flask, Response, g, jsonify, request

from proofkey.verifier import ProofkeyError, Verifier, build_refusal, check_scope, read_credentials

verifier = Verifier(issuer="http://localhost:9000", audience="https://api.example.com")
app = Flask(__name__)

View = Callable[..., Response]


def protected(*scopes: str) -> Callable[[View], View]:
    """For views that need an access token with these scopes; the token is `g.token`."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(*args: object, **values: object) -> Response:
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers]
            g.token = verifier.verify_sync(read_credentials(headers, request.query_string).token)
            check_scope(g.token, scopes)
            return view(*args, **values)

        return guarded

    return guard


@app.errorhandler(ProofkeyError)
def refuse(error: ProofkeyError) -> Response:
    """401, 403 or 503, as RFC 6750 says; the reason is for the log alone."""
    app.logger.info("refused: %s", error)
    refusal = build_refusal(error)
    response = jsonify(refusal.body or {})
    response.status_code = refusal.status
    response.headers.update(refusal.headers)
    return response


@app.get("/orders")
@protected("orders:read")
def orders() -> Response:
    """For every user whose token has the scope."""
    return jsonify([f"an order of {g.token.sub}"])
