"""Google: its console has no door for programs, so the template is a list of clicks."""

from proofkey.providers.registration import Client, Registration
from proofkey.providers.templates.template import Template

ISSUER = "https://accounts.google.com"


def build_google(registration: Registration) -> Template:
    """`google.md`; the file that the console gives for download is read by `proofkey config streamlit google`."""
    text = "\n".join(_lines(registration)) + "\n"
    notes = [
        f"Issuer: {ISSUER}. Google has no logout endpoint: nothing to register for sign-out.",
        "Google's access tokens are opaque and for Google's own APIs; an API of your own needs another provider"
        " (or your own `proofkey serve` in front).",
    ]
    if registration.service_clients:
        notes.append("Google gives no tokens to service clients for your own API; that client was left out.")
    return Template(printed=text, files={"google.md": text}, notes=tuple(notes))


def _lines(registration: Registration) -> list[str]:
    lines = [
        f"# Register {registration.name} at Google",
        "",
        "No API makes clients here; do this once in the console. (Names of menus change; not verified live.)",
        "",
        "1. Open https://console.cloud.google.com/auth/overview and choose the project.",
        f"2. Branding: app name `{registration.name}`, support e-mail, authorized domains.",
        "3. Audience: Internal for your own organisation only; else External, and publish it: while it is in"
        " testing, refresh tokens end after 7 days.",
        "4. Data access: the scopes `openid`, `profile`, `email` and no others.",
    ]
    for client in registration.web_clients:
        lines += _client_lines(client)
    return [
        *lines,
        "",
        "Then: `proofkey config streamlit google --client-file client_secret_….json`, or put client_id and"
        " client_secret_file into `[login]` of proofkey.toml.",
        "",
        "In your application, restrict the organisation by the claim `hd` if you mean one, and identify people by"
        " `sub`, never by `email`.",
    ]


def _client_lines(client: Client) -> list[str]:
    return [
        f"5. Clients > Create client > Web application, name `{client.name}`.",
        "   - Authorised JavaScript origins: none.",
        "   - Authorised redirect URIs, exactly:",
        *(f"     - `{uri}`" for uri in client.redirect_uris),
        "   - Create, then Download JSON (`client_secret_….json`). Keep it out of the repository.",
    ]
