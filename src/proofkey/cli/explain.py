"""`proofkey explain`: what a finding's id means, offline."""

import difflib
from typing import Annotated

import typer

from proofkey.cli.output import Json, clean, new_app, paint, print_data, print_json
from proofkey.findings import Finding, find

app = new_app()


@app.command()
def explain(
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="For example PKCE-15; in any case.")] = None,
    json: Json = False,
) -> None:
    """Explain a finding by its id; without one, list them all."""
    if id_ is None:
        _list(as_json=json)
        return
    finding = find(id_)
    if finding is None:
        close = difflib.get_close_matches(id_.strip().upper(), [finding.id for finding in Finding], n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise typer.BadParameter(f"there is no finding {clean(id_)[:40]!r}.{hint}", param_hint="ID")
    if json:
        print_json(_document(finding))
        return
    print_data(f"{paint(finding.id, 'bold')}  {finding.sentence}")
    print_data(f"{paint('fix', 'green')}{' ' * len(finding.id)}{finding.remedy}")


def _list(*, as_json: bool) -> None:
    findings = sorted(Finding, key=lambda finding: finding.id)
    if as_json:
        print_json([_document(finding) for finding in findings])
        return
    width = max(len(finding.id) for finding in findings)
    for finding in findings:
        print_data(f"{paint(f'{finding.id:<{width}}', 'bold')}  {finding.sentence}")


def _document(finding: Finding) -> dict[str, str]:
    return {"id": finding.id, "sentence": finding.sentence, "fix": finding.remedy}
