"""Streamlit: a guard around the app, and what a page may ask."""
