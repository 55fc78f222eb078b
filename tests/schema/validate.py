#!/usr/bin/env python3
"""Does the JSON Schema agree with the gateway?

    tests/schema/validate.py MASKGATE

Every example has to be right by the schema. Of every file of tests/bad-config, what the schema finds
has to be a mistake for the gateway too, at the same place; and what the gateway says of a key that does
not exist, of a value of another kind, or of a number out of its range has to be found by the schema. What
fits together, what a name means, and what is in other files is beyond a schema.
"""

import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "config/maskgate.schema.json").read_text())

# What a schema sees: messages of the gateway about the file's shape.
SEEN = re.compile(
    r"^unknown key$"
    r"|^[0-9]+ is (not|too small for|too large for) "
    # To a schema 10.0 is a whole number, and a variable may say anything.
    r"|^(?![0-9]+\.0 )(?!`[$]).*is not (a whole number|a duration|a size|text|a mapping|a list|a yes or no|a mode|a switch"
    r"|a level|a format|a choice of requests|a way of counting|a share|what to do with|a demand)"
)


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as the gateway and editors read it: `on` is a word."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
]:
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


def findings(text):
    """The paths that the schema refuses, as tuples; None where the text is no YAML."""
    try:
        tree = yaml.load(text, Core)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    validator = jsonschema.Draft7Validator(SCHEMA)
    return {path for error in validator.iter_errors(tree) for path in places(error)}


def places(error):
    """Where a key is unknown, the key's place; else that of the value."""
    above = tuple(map(str, error.absolute_path))
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema["properties"]
        return [above + (str(key),) for key in error.instance if key not in known]
    return [above]


def mistakes(program, file):
    """What the gateway says, as pairs of a path and a message."""
    run = subprocess.run([program, "check", "--format", "json", file], capture_output=True, text=True)
    return [
        (path_of(each["path"]), each["message"])
        for each in json.loads(run.stdout)
        if each["severity"] == "error"
    ]


def path_of(text):
    """`limits.overrides[0]."a.b"` as a tuple."""
    return tuple(
        json.loads(quoted) if quoted else index or plain
        for quoted, index, plain in re.findall(r'("(?:[^"\\]|\\.)*")|\[(\d+)\]|([^.\[\]"]+)', text)
    )


def meet(one, other):
    """Whether one is at, above or below the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def check_examples():
    texts = {str(file): file.read_text() for file in sorted(ROOT.glob("config/*.yaml"))}
    for manifest in sorted(ROOT.glob("deploy/**/*.yaml")):
        try:
            documents = list(yaml.safe_load_all(manifest.read_text()))
        except yaml.YAMLError:
            continue  # a template
        for document in documents:
            data = (document or {}).get("data") if isinstance(document, dict) else None
            for name, text in (data or {}).items():
                if name == "maskgate.yaml":
                    texts[f"{manifest}: {name}"] = text
    wrong = {name: sorted(found) for name, text in texts.items() if (found := findings(text))}
    assert not wrong, f"examples that the schema refuses: {wrong}"
    assert len(texts) >= 3, texts.keys()
    return len(texts)


def check_bad(program):
    files, seen, unseen = 0, 0, 0
    for file in sorted((ROOT / "tests/bad-config").glob("*.yaml")):
        text = file.read_bytes().decode("utf-8", "replace")
        said = mistakes(program, file)
        if len(text) > 100_000 or any(not path or "twice" in message for path, message in said):
            continue  # no YAML (of a repeated key the gateway keeps the first, others the last)
        found = findings(text)
        if found is None:
            continue
        files += 1
        for path in found:
            assert any(meet(path, other) for other, _ in said), f"{file.name}: only the schema refuses {path}"
        for path, message in said:
            if any(meet(path, other) for other in found):
                seen += 1
            else:
                unseen += 1
                assert not SEEN.search(message), f"{file.name}: {path} is right by the schema: {message}"
    assert files > 30 and seen > 60, (files, seen)
    return files, seen, unseen


def main():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    examples = check_examples()
    files, seen, unseen = check_bad(sys.argv[1])
    print(f"{examples} examples are right; of {files} bad files the schema sees {seen} mistakes, and not {unseen}")


main()
