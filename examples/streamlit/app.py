"""A Streamlit page behind a login: `uvicorn app:app --port 8501`."""

from pathlib import Path

from proofkey.streamlit import Login, protect

login = Login(
    issuer="http://localhost:9000",
    client_id="dashboard",
    client_secret="Vb8n4W_qR6tMx1KzL9sGd3JhFc7Py2Ue-example",
    public_url="http://127.0.0.1:8501",
    audience="https://api.example.com",
    scope="openid profile offline_access orders:read",
)
app = protect(Path(__file__).with_name("page.py"), login=login)
