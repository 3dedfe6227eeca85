"""Write the pages that are made from the code. Usage: python docs/generate.py"""

from pathlib import Path

from tools.message_reference import message_reference
from tools.reference import configuration_reference

Path(__file__).with_name("configuration.md").write_text(configuration_reference(), encoding="utf-8")
Path(__file__).with_name("messages.md").write_text(message_reference(), encoding="utf-8")
