"""What a client shows of itself in a notebook: its state as HTML, live, and as charts.

Nothing is imported here: a client asks `shell` whether it is in a notebook, and loads the rest when
somebody looks.
"""
