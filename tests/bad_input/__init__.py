"""Bad input of every kind, through the real commands: one clear line, the right end, and nothing else stops.

``day`` runs all of it once, at DEBUG level and traced, with invented persons in every row; what the processes said is
then searched for every one of them.
"""
