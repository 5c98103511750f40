"""`airbyte-workers doctor`: what keeps a stack from its work, in sentences that say what to do.

Each check is a look at one thing and a pure judgement of what was seen. Nothing here imports `workflows` or
`activities`: a foreign package of such a name is one of the things that are looked for.
"""
