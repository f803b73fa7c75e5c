"""The yardstick of the vote path: a Flask route that reads a form and does nothing."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/vote")
def vote() -> str:
    return request.form.get("choice", "")
