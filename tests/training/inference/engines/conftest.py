"""The servers and models that the app's tests use as well."""

from tests.app.conftest import chat_server, gguf, one_chat_server

__all__ = ["chat_server", "gguf", "one_chat_server"]
