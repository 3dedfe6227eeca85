"""Write the pages that are made from the code. Usage: python docs/generate.py"""

from pathlib import Path

from tools.reference import configuration_reference

Path(__file__).with_name("configuration.md").write_text(configuration_reference(), encoding="utf-8")
