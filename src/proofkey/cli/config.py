"""`proofkey config`: what stands between an application and its provider, as files."""

from proofkey.cli.config_show import show
from proofkey.cli.config_streamlit import streamlit
from proofkey.cli.config_template import template
from proofkey.cli.output import new_app

app = new_app(help="Write registration files for providers and Streamlit's files; show the settings in force.")

app.command()(template)
app.command()(streamlit)
app.command()(show)
