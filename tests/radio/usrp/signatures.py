"""Whether uses of `uhd`, as `spy` notes them, fit the module that is installed. Run by a Python that has it.

Reads a list of uses from standard input, writes a list of problems to standard output, both as JSON. Functions are
compared by the signatures that pybind11 writes into docstrings, all overloads; constructors and properties of types
that need no radio are used for real, with values of the noted types.
"""

import inspect
import json
import re
import sys
from collections import namedtuple

Parameter = namedtuple("Parameter", "name type has_default")
Signature = namedtuple("Signature", "parameters returns")
# Types that pybind11 knew only by their C++ names when it wrote the docstrings.
CPP = {
    "uhd::stream_args_t": "uhd.usrp.StreamArgs",
    "uhd::device_addr_t": "uhd.types.DeviceAddr",
    "uhd::rx_streamer": "uhd.usrp.RXStreamer",
    "uhd::tx_streamer": "uhd.usrp.TXStreamer",
}
GIVEN = {  # what a parameter takes
    "float": {"float", "int", "float64"},
    "int": {"int"},
    "bool": {"bool"},
    "str": {"str"},
    "List[int]": {"list[int]"},
}
RETURNED = {  # what a stand-in must return for it
    "float": {"float", "int", "float64"},
    "int": {"int"},
    "bool": {"bool"},
    "str": {"str"},
    "None": {"NoneType"},
    "List[str]": {"list[str]"},
    "Dict[str, str]": {"dict"},
}


def signatures_of(function):
    """Return all signatures in the docstring of a function of pybind11."""
    name = function.__name__
    pattern = rf"^(?:\d+\. )?{re.escape(name)}\((.*)\) -> (.+)$"
    found = re.findall(pattern, function.__doc__ or "", re.MULTILINE)
    return [Signature(parameters_of(text), returns) for text, returns in found if text != "*args, **kwargs"]


def parameters_of(text):
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text + ","):
        depth += (char in "[(") - (char in ")]")
        if char == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    found = []
    for part in filter(None, parts):
        name, _, rest = part.partition(": ")
        kind, has_default, _ = rest.partition(" = ")
        found.append(Parameter(name, kind, bool(has_default)))
    return tuple(parameter for parameter in found if parameter.name != "self")


def find(path):
    """Return what a dotted name stands for."""
    import uhd

    value = uhd
    for name in path.split(".")[1:]:
        value = getattr(value, name)
    return value


def real_name(noted):
    """Return how pybind11 calls a type that was noted by its name in the module."""
    if not noted.startswith("uhd."):
        return noted
    kind = find(noted)
    return f"{kind.__module__}.{kind.__qualname__}"


def takes(wanted, noted):
    if wanted == "object":
        return noted == "ndarray"
    if wanted in CPP:
        return noted == CPP[wanted] or (wanted == "uhd::device_addr_t" and noted == "str")
    return noted in GIVEN[wanted] if wanted in GIVEN else real_name(noted) == wanted


def returns(wanted, noted):
    if wanted.startswith("List[uhd"):
        return noted in (f"list[{CPP[wanted[5:-1]]}]", "list[]")
    if wanted in CPP:
        return noted == CPP[wanted]
    return noted in RETURNED[wanted] if wanted in RETURNED else real_name(noted) == wanted


def fits(signature, use):
    """Return what is wrong with a call by one signature; "" for nothing."""
    parameters, args, kwargs = signature.parameters, use["args"], use["kwargs"]
    if len(args) > len(parameters):
        return f"takes {len(parameters)} arguments, {len(args)} given"
    given = dict(zip((parameter.name for parameter in parameters), args))  # noqa: B905 - fewer may be given
    unknown = set(kwargs) - {parameter.name for parameter in parameters[len(args) :]}
    if unknown:
        return f"takes no {sorted(unknown)}"
    given.update(kwargs)
    for parameter in parameters:
        if parameter.name not in given:
            if not parameter.has_default:
                return f"needs {parameter.name}"
        elif not takes(parameter.type, given[parameter.name]):
            return f"{parameter.name} must be {parameter.type}, got {given[parameter.name]}"
    if not returns(signature.returns, use["returns"]):
        return f"returns {signature.returns}, the stand-in {use['returns']}"
    return ""


def example(noted):
    plain = {"float": 1.5, "int": 1, "str": "fc32", "bool": True, "list[int]": [0]}
    if noted in plain:
        return plain[noted]
    kind = find(noted)
    members = getattr(kind, "__members__", None)
    if members:
        return next(iter(members.values()))
    return kind(0.0) if noted.endswith("TimeSpec") else kind()


def instance(path):
    """Return an object of a type that needs no radio."""
    kind = find(path)
    if path.endswith("StreamArgs"):
        return kind("fc32", "sc16")
    if path.endswith("StreamCMD"):
        return kind(find("uhd.types.StreamMode").start_cont)
    return kind(0.0) if path.endswith("TimeSpec") else kind()


def check_call(use):
    function = find(use["path"])
    if isinstance(function, type):
        return check_constructor(function, use)
    found = signatures_of(function)
    if not found:
        return "has no signature to compare with"
    problems = [fits(signature, use) for signature in found]
    return "" if "" in problems else "; ".join(problems)


def check_constructor(kind, use):
    if not use["path"].endswith("MultiUSRP"):
        kind(
            *[example(noted) for noted in use["args"]], **{key: example(noted) for key, noted in use["kwargs"].items()}
        )
        return ""
    inspect.signature(kind).bind(*use["args"], **use["kwargs"])
    return "" if use["args"] == ["str"] else f"takes a device string, got {use['args']}"


def check_attribute(use):
    path, _, name = use["path"].rpartition(".")
    if use["kind"] == "set":
        setattr(instance(path), name, example(use["args"][0]))
        return ""
    kind = find(path)
    if hasattr(kind, "__members__"):
        return "" if name in kind.__members__ else f"has no member {name}"
    value = getattr(instance(path), name)
    wanted = use["returns"]
    got = f"{type(value).__module__}.{type(value).__qualname__}" if wanted.startswith("uhd.") else type(value).__name__
    return "" if got == real_name(wanted) else f"is of type {got}, in the stand-in {wanted}"


def problem(use):
    try:
        found = check_call(use) if use["kind"] == "call" else check_attribute(use)
    except (AttributeError, TypeError, ValueError) as error:
        found = " ".join(str(error).split())[:300]
    return f"{use['path']}({', '.join(use['args'])}): {found}" if found else ""


def main():
    problems = [problem(use) for use in json.load(sys.stdin)]
    sys.stdout.write("\n" + json.dumps([text for text in problems if text]))  # UHD may have said something before


if __name__ == "__main__":
    main()
