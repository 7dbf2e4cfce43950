"""`proofkey pkce`: a verifier and its challenge (RFC 7636)."""

from typing import Annotated

import typer

from proofkey.cli.output import FINDINGS, Json, clean, new_app, paint, print_data, print_json, with_facts
from proofkey.errors import ProofkeyError
from proofkey.protocol.pkce import challenge_of, check_code_challenge, check_code_verifier, check_verifier_matches
from proofkey.protocol.text import Secret
from proofkey.runtime.entropy import system_entropy

app = new_app()


@app.command()
def pkce(
    verify: Annotated[
        tuple[str, str] | None,
        typer.Option("--verify", metavar="VERIFIER CHALLENGE", help="Check that the two belong together."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a PKCE pair (S256), or verify one."""
    if verify is not None:
        _verify(*verify, as_json=json)
        return
    verifier = system_entropy()
    pair = {
        "code_verifier": verifier,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if json:
        print_json(pair)
        return
    for name, value in pair.items():
        print_data(f"{name:<22} {value}")


def _verify(verifier: str, challenge: str, *, as_json: bool) -> None:
    """RFC 7636 §4.6, with the checks of syntax first."""
    try:
        check_code_verifier(verifier)
        check_code_challenge(challenge, "S256")
        check_verifier_matches(Secret(verifier), challenge)
    except ProofkeyError as error:
        finding = error.finding
        if as_json:
            print_json({"matches": False, "finding": finding.id, "fix": finding.remedy})
        else:
            print_data(f"{paint('FAIL', 'red')} {clean(with_facts(finding.sentence, error.facts))} ({finding.id})")
            print_data(f"fix  {finding.remedy}")
        raise typer.Exit(FINDINGS) from None
    if as_json:
        print_json({"matches": True})
    else:
        print_data(f"{paint('ok', 'green')} The verifier matches the challenge.")
