"""The link: the framed protocol between gateways, shards, coordinator, delivery and trigger
hosts.
"""

from augenblick.link.codec import Decoder, encode
from augenblick.link.handshake import Handshake, Identity
from augenblick.link.messages import Kind, Message

__all__ = ["Decoder", "Handshake", "Identity", "Kind", "Message", "encode"]
