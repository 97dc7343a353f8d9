"""Shadow: does the challenger answer like the champion, and fast enough?"""
