"""The demonstration: provider, API and Streamlit app on one computer."""
