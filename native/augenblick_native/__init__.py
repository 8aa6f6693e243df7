"""Native data path of Augenblick: scanning, routing and the per-user state machine.

Knows bytes, keys and times: no sockets, no actors, no rule by name. Only `augenblick.binding`
imports it.
"""
