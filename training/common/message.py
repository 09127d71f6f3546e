"""What is said in a conversation: the one type of message, for data, training, engines and evaluation alike."""

from __future__ import annotations

from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant", "text"]


class Message(NamedTuple):
    """One turn of a chat, or a piece of plain prose (role ``text``, in samples alone). A tuple, so that it unpacks;
    ``_asdict`` makes of it what chat templates and servers take."""

    role: Role
    content: str
