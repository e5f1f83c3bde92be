"""A made-up shop with advocates, friends, shoppers and cheats, played against a running server through its public doors.

`world` makes people of a seed, `actor` is what a person does, `sender` brings it to the server, `story` holds one small play for each
cheat of the catalogue, for its honest twin, and for ordinary custom; `play` casts and runs them, `score` asks the server what became of
them and compares with the truth, which is never sent.
"""
