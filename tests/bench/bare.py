"""The yardsticks of votes and pages: Flask routes that do nothing."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/vote")
def vote() -> str:
    return request.form.get("choice", "")


@app.get("/")
def page() -> str:
    return "ok"
