"""Slack: messages by chat.postMessage and by incoming webhook."""
