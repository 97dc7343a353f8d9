"""The matrix of a drill for people: in the terminal and on the review page."""
