from pathlib import Path

from fl.control.messages import FromAgent, FromServer
from tools.message_reference import message_reference

PAGE = Path(__file__).parent.parent.parent / "docs" / "messages.md"


def test_the_page_in_the_docs_is_the_generated_one():
    assert PAGE.read_text(encoding="utf-8") == message_reference(), "run `python docs/generate.py`"


def test_every_message_field_and_tensor_is_described():
    page = message_reference()
    for kind in {*FromAgent.__args__, *FromServer.__args__}:
        assert f"### {kind.__struct_config__.tag}\n" in page
        for name in (*kind.__struct_fields__, *(spec.name for spec in kind.TENSORS)):
            rows = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            assert rows, name
            assert not any(line.endswith("|  |") for line in rows), name
