"""Requests to other people's servers: whom they may reach, how long they last, and what they brought."""
