"""How long the front waits for a client, in seconds, and how many bytes it lets one connection hold meanwhile."""

HEAD_SECONDS = 10.0
"""For a whole request line with its headers, from the connection's beginning or from the end of the last answer."""
BODY_SECONDS = 10.0
BODY_BYTES_A_SECOND = 64 * 1024
"""A larger body has a second more for each of these."""
READ_SECONDS = 20.0
"""For the client to take what waits for it of an answer, but for the last `LEAST_UNSENT` bytes."""
CLOSE_SECONDS = 3.0
"""For the client to read a refusal, while what it still sends is thrown away: a reset would destroy the answer."""
LAST_SECONDS = 5.0
"""After TERM: for the client to send the rest of a request that has begun. Gunicorn leaves ten in all."""
UNREAD_SECONDS = 0.2
"""After TERM: for what has come in and was not read yet."""
MOST_UNSENT, LEAST_UNSENT = 16 * 1024, 4 * 1024
"""Once more than the first waits to be sent, no more is written until the client has taken all but the second."""
READ_AT_ONCE = 64 * 1024
"""Bytes of one connection in one turn of the loop. Python's own 256 KiB would be seven thousand requests."""
ANSWERED_AT_ONCE = 2
"""Pipelined requests of one connection that are answered in one turn, before others have theirs."""
