"""Writes from the public headers what is mechanical in the binding: for each plain struct a Python class (_records.py) and the table of its members
by which C++ converts it (records.hpp). A member or struct that is added to a header is thus in Python, too, without a word here.

    generate.py INCLUDE_FOLDER OUTPUT_FOLDER"""

import dataclasses
import keyword
import pathlib
import re
import sys

# What is a class of its own on both sides, or nothing that a Python program has to do with.
CLASSES = {"Memo", "Given", "Entry", "Content", "Error", "Text", "Plan", "Data", "ClusterView", "NodeView", "Component", "Executor", "SshExecutor", "LocalExecutor", "CloudExecutor",
           "SimulatedExecutor", "SimulatedHost", "ServiceModel", "Step", "StepRef", "Steps", "Answers", "Impl", "Questions", "State_",
           "Activity"}
# Called on threads of the library, where no Python may run.
NOT_TOLD = {("CloudOptions", "wait")}
# Keyword arguments in Python.
OPTIONS = {"OperateOptions", "DeployOptions", "RotateOptions", "BackupOptions", "RestoreOptions", "ProveOptions", "ReportOptions", "LeaderOptions", "MemberOptions", "PlanOptions", "ApplyOptions"}
# Records that people build piece by piece; all others are frozen.
MUTABLE = {"Spec", "SshSpec", "HostSpec", "UserSpec", "DatabaseSpec", "SchemaSpec", "ExtensionSpec", "PrivilegeSpec", "RepoSpec", "SpecSecret"}
NUMBERS = {"int", "long", "unsigned", "std::size_t", "std::int64_t", "std::uint64_t"}


@dataclasses.dataclass
class Field:
    type: str
    name: str
    initial: str | None
    about: str
    member: str    # in C++


@dataclasses.dataclass
class Record:
    name: str
    about: str
    header: str
    outer: str = ""
    base: str = ""
    fields: list[Field] = dataclasses.field(default_factory=list)
    methods: set[str] = dataclasses.field(default_factory=set)
    values: list[tuple[str, str, str]] | None = None   # of an enum: name, word, about

    @property
    def cpp(self):
        return f"{self.outer}::{self.name}" if self.outer else self.name

    @property
    def python(self):
        return f"{self.outer}{'' if self.outer in CLASSES else '.'}{self.name}" if self.outer else self.name


def python_name(member):
    """Keywords of Python get an underscore; those of C++ have one there, and need none here."""
    name = member.rstrip("_")
    return name + ("_" if keyword.iskeyword(name) else "")


def closing(text, begin):
    depth = 0
    for i in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError(f"no closing brace after {text[begin:begin + 60]!r}")


def word_of(name, about):
    """A value's word is its name, or the word in quotes that its comment begins with; name, word and the rest of the comment."""
    quoted = re.match(r'"([^"]+)"(?:: |$)', about)
    return (name, quoted[1], about[quoted.end():]) if quoted else (name, name, about)


def docs(lines):
    return " ".join(re.sub(r"^\s*///<?\s?", "", line).strip() for line in lines).strip()


@dataclasses.dataclass
class Reference:
    """A function of a component's header that returns a StepRef."""
    name: str
    about: str
    of_host: bool
    component: str
    what: str


def references(text):
    """By namespace. A header of references declares nothing else."""
    space = re.search(r"^namespace pgcluster::(\w+) \{", text, re.M)[1]
    found = re.findall(r'((?:^///.*\n)+)inline StepRef (\w+)\((const std::string& host)?\) \{ return \{(?:host|""), "([^"]+)", "([^"]+)"\}; \}', text, re.M)
    if len(found) != text.count("inline "):
        sys.exit(f"pgcluster::{space}: not every reference is understood")
    return space, [Reference(name, docs(about.splitlines()), bool(host), component, what) for about, name, host, component, what in found]


class Parser:
    """Reads one header; its style is even (clang-format), and what it does not understand it says."""

    def __init__(self, path):
        self.records = []
        text = path.read_text()
        begin = text.index("namespace PGCLUSTER_API pgcluster {")
        self.header = f"pgcluster/{path.parent.name}/{path.name}"
        self.body(text[text.index("{", begin) + 1:text.rindex("}")], None)

    def body(self, text, owner):
        i, about, public = 0, [], owner is None or owner[1]
        while i < len(text):
            line_end = text.find("\n", i)
            line_end = len(text) if line_end < 0 else line_end
            line = text[i:line_end]
            if not line.strip() or line.strip() == ";":
                about = [] if not line.strip() else about
                i = line_end + 1
            elif line.strip().startswith("///"):
                about.append(line)
                i = line_end + 1
            elif line.strip().startswith("//") or line.strip().startswith("#"):
                i = line_end + 1
            elif re.match(r"\s*(public|private|protected):", line):
                public = "public" in line
                i = line_end + 1
            else:
                i = self.statement(text, i, about, owner[0] if owner else None, public)
                about = []

    def statement(self, text, i, about, owner, public):
        end, depth, brace = i, 0, None
        while True:
            c = text[end]
            if c in "(<":
                depth += 1
            elif c in ")>" and text[end - 1] != "-":
                depth -= 1
            elif c == "/" and text.startswith("//", end) and not text.startswith("///<", end):
                end = text.index("\n", end)
            elif c == "{" and depth <= 0:
                if brace is None:
                    brace = end
                end = closing(text, end)
                head = text[i:brace]
                if "(" in re.sub(r"std::function<.*>", "", head) or re.match(r"\s*(template|inline|friend)", head):
                    end += 1     # a function's body: ends without a semicolon
                    break
            elif c == ";":
                end += 1
                break
            end += 1
        whole = text[i:end]
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end
        trailing = re.search(r"///<(.*)", text[end:line_end])
        notes = [trailing[1]] if trailing else []
        after = line_end + 1
        while trailing and (more := re.match(r"\s*///<(.*)\n", text[after:])):
            notes.append(more[1])
            after += more.end()
        if public:
            self.take(whole, docs(about), docs(notes), owner)
        return after if trailing or not text[end:line_end].strip() else end

    def take(self, whole, about, note, owner):
        flat = " ".join(re.sub(r"//.*", "", line) for line in whole.split("\n")).strip()
        enum = re.match(r"enum class (\w+) \{", flat)
        if enum:
            inside = whole[whole.index("{") + 1:whole.rindex("}")]
            values = [(m[1], (m[2] or "").strip()) for m in re.finditer(r"(\w+),?[ \t]*(?:///<(.*))?", re.sub(r"(?m)^\s*//[^/].*$", "", inside))]
            values = [(name, words) for name, words in re.findall(r"(?m)(\w+)\s*(?:,|$|\})[ \t]*(?:///<[ \t]*(.*))?", inside)] if "///<" in inside else values
            self.records.append(Record(enum[1], about, self.header, outer=owner.cpp if owner else "",
                                       values=[word_of(name, words.strip()) for name, words in values]))
            return
        kind = re.match(r"(struct|class) (\w+)(?: final)?(?: : (?:public )?([\w:<> ]+?))? \{", flat)
        if kind:
            record = Record(kind[2], about, self.header, outer=owner.cpp if owner else "", base=kind[3] or "")
            self.records.append(record)
            self.body(whole[whole.index("{") + 1:whole.rindex("}")], (record, kind[1] == "struct"))
            return
        if owner is None or re.match(r"(friend|using|template|static|virtual|explicit|requires)\b", flat):
            return
        field = re.match(r"(?:mutable )?(?P<type>(?:const )?[\w:]+(?:<.*?>)?(?: \w+::\*)?) (?P<name>\w+)(?: = (?P<value>.*)|(?P<braces>\{.*\}))?;$", flat)
        if field and "(" not in field["name"] and not re.search(r"\(", flat.split(field["name"])[0].replace("(", "", flat.count("(") if "std::function" in flat else 0)):
            if (owner.name, field["name"]) in NOT_TOLD:
                return
            initial = field["value"] if field["value"] is not None else field["braces"]
            owner.fields.append(Field(field["type"], python_name(field["name"]), initial, note or about, field["name"]))
        elif "(" in flat:
            name = re.search(r"(\w+)\(", flat)
            owner.methods.add(name[1] if name else flat)
        elif owner.name not in CLASSES:
            sys.exit(f"{self.header}: not understood: {flat}")


def inside(type):
    return type[type.index("<") + 1:type.rindex(">")]


def split(arguments):
    parts, depth, current = [], 0, ""
    for c in arguments:
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(c, 0)
        if c == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    return [*parts, current.strip()] if current.strip() else parts


class Types:
    def __init__(self, records, variants):
        self.names = {}
        for record in records:
            self.names.setdefault(record.cpp, record.python)
        self.variants = variants
        self.records = {record.cpp: record for record in records}

    def resolve(self, name, owner):
        inner = f"{owner.cpp}::{name}"
        return inner if inner in self.names else name

    def python(self, type, owner, taken=False):
        """The annotation; `taken`: of an argument, which takes more kinds of values."""
        type = type.replace("const ", "").strip().rstrip("&").strip()
        again = lambda inner, taken=taken: self.python(inner, owner, taken)
        fixed = owner.name not in MUTABLE
        if type == "Pairs":
            type = "std::vector<std::pair<std::string, std::string>>"
        if type == "void":
            return "None"
        if type == "bool":
            return "bool"
        if type in NUMBERS:
            return "int"
        if type in ("std::string", "std::string_view"):
            return "Words" if taken else "str"
        if type == "Text":
            return "Text | str | Secret" if taken else "Text"
        if type in ("Answers", "SimulatedHost"):
            return type
        if type == "StepPtr":
            return "Step"
        if type == "Steps":
            return "Steps | Step" if taken else "Steps"
        if type == "Error":
            return "Error"
        if type == "AskPtr":
            return "Ask"
        if type == "StepRef":
            return "StepRef"
        if type in ("SimulatedTime", "std::chrono::milliseconds", "std::chrono::seconds"):
            return "datetime.timedelta | float" if taken else "datetime.timedelta"
        if type.startswith("std::vector<std::pair<std::string, std::string>"):
            return "Mapping[str, object]" if taken else "dict[str, str]"
        if type.startswith("std::vector<"):
            inner = again(inside(type))
            return f"Sequence[{inner}]" if taken else f"tuple[{inner}, ...]" if fixed else f"list[{inner}]"
        if type.startswith("std::set<"):
            return f"Iterable[{again(inside(type))}]" if taken else f"frozenset[{again(inside(type))}]"
        if type.startswith("std::pair<"):
            return f"tuple[{', '.join(map(again, split(inside(type))))}]"
        if type.startswith("std::map<"):
            key, value = split(inside(type))
            return f"{'Mapping' if taken else 'dict'}[{self.python(key, owner)}, {again(value)}]"
        if type.startswith("std::optional<"):
            return f"{again(inside(type))} | None"
        if type.startswith("std::shared_ptr<"):
            return f"{again(inside(type))} | None"
        if type.startswith("std::function<"):
            result, arguments = re.match(r"(.*)\((.*)\)$", inside(type)).groups()
            arguments = [self.python(re.sub(r" \w+$", "", one) if not one.startswith("const ") or one.count(" ") > 1 else one, owner) for one in split(arguments)]
            return f"Callable[[{', '.join(arguments)}], {self.python(result, owner, True)}] | None"
        if type in self.variants:
            type = self.variants[type]
        if type.startswith("std::variant<"):
            return " | ".join(again(one) for one in split(inside(type)))
        name = self.resolve(type, owner)
        if name in self.names:
            record = self.records[name]
            return f"{self.names[name]} | str" if taken and record.values is not None else self.names[name]
        sys.exit(f"{owner.cpp}: what is {type}?")

    def default(self, field, owner):
        """Of a member with an initializer, as Python writes it."""
        type, value = field.type, field.initial
        if value is None or value == "{}":
            if type.startswith(("std::vector", "std::set")) and "std::pair<std::string, std::string>" not in type:
                return "()"
            if type.startswith("std::map") or type == "Pairs" or "std::pair<std::string, std::string>" in type:
                return "{}"
            if type.startswith(("std::optional", "std::function", "std::shared_ptr")):
                return "None"
            if type in ("std::string", "Text"):
                return '""'
            if "chrono" in type or type == "SimulatedTime":
                return "datetime.timedelta(0)"
            if type in NUMBERS or type == "bool":
                return "0" if type != "bool" else "False"
            if type in self.variants or type.startswith("std::variant"):
                first = split(inside(self.variants.get(type, type)))[0]
                return f"{self.names[first]}()"
            name = self.resolve(type, owner)
            record = self.records.get(name)
            if record and record.values is not None:
                return f"{self.names[name]}.{record.values[0][0]}"
            return f"{self.names[name]}()"
        value = value.replace("'", "").strip()
        if value in ("true", "false"):
            return value.capitalize()
        if re.fullmatch(r"0[0-7]+", value):
            return "0o" + value[1:]
        if re.fullmatch(r'"[^"]*"|-?[\d.]+', value):
            return value
        if "std::chrono" in type:
            unit = "seconds" if "::seconds" in type else "milliseconds"
            if type.startswith("std::vector"):
                return "(" + ", ".join(f"datetime.timedelta(milliseconds={n})" for n in re.findall(r"milliseconds\((\d+)\)", value)) + ",)"
            return f"datetime.timedelta({unit}={value.strip('{}')})"
        if "::" in value and re.fullmatch(r"[\w:]+", value):
            return self.names[self.resolve(value.rsplit("::", 1)[0], owner)] + "." + value.rsplit("::", 1)[1]
        if type == "std::vector<std::string>" and (words := re.findall(r'"[^"]*"', value)):
            return "(" + ", ".join(words) + ",)"
        if value.startswith("{."):
            inner = re.sub(r"std::uint64_t\{(\d+)\}", r"\1", value.strip("{}") if "std::" not in value else value[1:-1])
            inner = re.sub(r"[.](\w+) = ", r"\1=", inner)
            return f"{self.names[type]}({inner})"
        sys.exit(f"{owner.cpp}.{field.name}: what is its default {value}?")


def quoted(words):
    return words.replace("\\", "\\\\").replace('"""', "'''")


def write_python(records, types, by_component, out):
    lines = ['"""The plain values of libpgcluster, from its public headers. Generated."""', "", "from __future__ import annotations", "",
             "import dataclasses", "import datetime", "from collections.abc import Callable, Iterable, Mapping, Sequence", "",
             "from . import _methods", "from ._base import Name, Record, StepRef, Words", "from ._core import Answers, SimulatedHost, Step, Steps, Text, _fill", "from ._errors import Error", ""]

    def enum(record, indent):
        lines.append(f"{indent}class {record.name}(Name):")
        lines.append(f'{indent}    """{quoted(record.about) or record.name}"""')
        for value, word, about in record.values:
            lines.extend(["", f'{indent}    {value} = "{word}"'] if about else [f'{indent}    {value} = "{word}"'])
            if about:
                lines.append(f'{indent}    """{quoted(about)}"""')
        lines.append("")

    def klass(record, indent):
        fixed = record.name not in MUTABLE
        lines.append(f"{indent}@dataclasses.dataclass(init=False, repr=False, slots=True{', frozen=True' if fixed else ''})")
        mixin = f"_methods.{record.name}Methods, " if record.name + "Methods" in METHODS else ""
        lines.append(f"{indent}class {record.name}({mixin}Record):")
        lines.append(f'{indent}    """{quoted(record.about) or record.name}')
        if record.fields:
            lines.append("")
            for field in record.fields:
                lines.append(f"{indent}    {field.name}: {quoted(field.about)}" if field.about else f"{indent}    {field.name}")
        lines.append(f'{indent}    """')
        lines.append("")
        for nested in records:
            if nested.outer == record.cpp:
                (enum if nested.values is not None else klass)(nested, indent + "    ")
        for field in record.fields:
            lines.append(f"{indent}    {field.name}: {types.python(field.type, record)}")
        arguments, defaulted = [], False
        for field in record.fields:
            if field.initial is None and defaulted and "*" not in arguments:
                arguments.append("*")    # what must be given, after what need not: by its name
            defaulted = defaulted or field.initial is not None
            default = f" = {types.default(field, record).removeprefix(record.python + '.')}" if field.initial is not None else ""
            arguments.append(f"{field.name}: {types.python(field.type, record, True)}{default}")
        lines.append("")
        lines.append(f"{indent}    def __init__(self{''.join(', ' + one for one in arguments)}) -> None:")
        if record.fields:
            lines.append(f"{indent}        _fill(self, {', '.join(field.name for field in record.fields)})")
        if not record.fields:
            lines.append(f"{indent}        pass")
        lines.append("")

    outside = [record for record in records if not record.outer or record.outer in CLASSES]
    for record in outside:
        if record.outer:    # of a class that is not a record: __init__.py gives it to that class
            record = dataclasses.replace(record, name=record.python, outer="")
        lines.append("")
        (enum if record.values is not None else klass)(record, "")
    exported = sorted(record.python for record in outside)
    for space, found in sorted(by_component.items()):
        lines += ["", f"class {space}:", f'    """References to the steps of the component {found[0].component} that other components may wait for."""', ""]
        for one in found:
            lines += ["    @staticmethod", f"    def {one.name}({'host: str' if one.of_host else ''}) -> StepRef:", f'        """{quoted(one.about)}"""',
                      f"        return StepRef({'host' if one.of_host else repr('')}, {one.component!r}, {one.what!r})", ""]
        exported.append(space)
    for name, variant in types.variants.items():
        lines += ["", f"{name} = {' | '.join(types.python(one, outside[0]) for one in split(inside(variant)))}"]
        exported.append(name)
    lines += ["", "__all__ = [" + ", ".join(f'"{name}"' for name in exported) + "]", ""]
    (out / "_records.py").write_text("\n".join(lines))


def write_cpp(records, options, live, out):
    lines = ["// Generated by generate.py from the public headers.", "#pragma once", "", "#include <pgcluster/pgcluster.hpp>", "", '#include "call.hpp"', "",
             "namespace pgcluster::python {", ""]
    for record in records:
        if record.values is not None:
            lines.append(f"template <> struct Enum<{record.cpp}> {{")
            lines.append(f'  static constexpr const char* name = "{record.python}";')
            lines.append(f"  static constexpr std::array<EnumValue<{record.cpp}>, {len(record.values)}> values{{{{")
            lines += [f'    {{{record.cpp}::{value}, "{value}", "{word}"}},' for value, word, _ in record.values]
            lines += ["  }};", "};"]
    for record in records + options + live:
        if record.values is None:
            kind = "Table" if record in records else "Options"
            lines.append(f"template <> struct {kind}<{record.cpp}> {{")
            lines.append(f'  static constexpr const char* name = "{record.python}";')
            lines.append(f"  static constexpr bool fixed = {'false' if record.name in MUTABLE else 'true'};")
            lines.append("  template <class Visit> static void members(Visit&& visit) {")
            if record.base in {one.name for one in options}:
                lines.append(f"    Options<{record.base}>::members(visit);")
            lines += [f'    visit("{field.name}", &{record.cpp}::{field.member});' for field in record.fields]
            lines += ["    static_cast<void>(visit);", "  }", "};"]
    lines += ["", "template <class Visit> void every_record(Visit&& visit) {"]
    lines += [f"  visit.template operator()<{record.cpp}>();" for record in records if record.values is None]
    lines += ["}", "", "}  // namespace pgcluster::python", ""]
    (out / "records.hpp").write_text("\n".join(lines))


def read(include):
    found, variants, by_component = [], {}, {}
    order = ["base", "op", "step", "executor", "cloud", "plan", "spec", "topology", "platform", "component", "operate", "simulation"]
    for module in order:
        for path in sorted((include / "pgcluster" / module).glob("*.hpp")):
            if path.stem == "export":
                continue
            text = path.read_text()
            if "namespace PGCLUSTER_API" not in text:
                space, of_component = references(text)
                by_component[space] = of_component
                continue
            found += Parser(path).records
            variants.update({name: re.sub(r"\s+", " ", type) for name, type in re.findall(r"using (\w+) = (std::variant<[^;]*>);", text)})
    return found, variants, by_component


METHODS = set(re.findall(r"^class (\w+Methods)\b", (pathlib.Path(__file__).parent / "pgcluster/_methods.py").read_text(), re.M))


def main():
    include, out = map(pathlib.Path, sys.argv[1:])
    found, variants, by_component = read(include)
    options = [record for record in found if record.name in OPTIONS]
    live = [record for record in found if record.name == "SimulatedHost"]
    hidden = {record.cpp for record in found if record.name in CLASSES | OPTIONS and record.name != "Report"}
    records = [record for record in found if record.cpp not in hidden and record.outer not in {"Memo", "Answers", "Plan"}]
    out.mkdir(parents=True, exist_ok=True)
    write_python(records, Types(records, variants), by_component, out)
    write_cpp(records, options, live, out)


if __name__ == "__main__":
    main()
