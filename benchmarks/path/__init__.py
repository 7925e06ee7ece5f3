"""What one call costs between the caller and the socket, counted instead of timed.

A count does not depend on what else the machine is doing: so it can be kept in a file, and a
change that makes the path longer is seen in review.
"""
