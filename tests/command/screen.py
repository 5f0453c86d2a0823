"""What a terminal of some width shows of what is written to it, as far as the command writes: it wraps, and breaks lines anew when its width changes."""
import re

TOKEN = re.compile(r"\x1b\[(\d*)([A-Za-z])|\r|\n|[^\x1b\r\n]+|\x1b\[?\d*$")


class Screen:
    def __init__(self, columns, lines=24):
        self.columns, self.height = columns, lines
        self.lines, self.line, self.at = [""], 0, 0    # logical lines; the cursor stands before lines[line][at]
        self.rest = ""

    def rows(self):
        """(line, begin) of each row, from the top."""
        return [(i, begin) for i, line in enumerate(self.lines) for begin in range(0, max(len(line), 1), self.columns)]

    def row(self):
        begin = self.at // self.columns * self.columns
        if begin == self.at and begin > 0 and begin == len(self.lines[self.line]):
            begin -= self.columns    # after the last column, before anything is wrapped
        return self.rows().index((self.line, begin))

    def shown(self):
        return [self.lines[i][begin:begin + self.columns].rstrip() for i, begin in self.rows()]

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        for token in TOKEN.finditer(text):
            what = token[0]
            if what[0] == "\x1b" and not token[2]:
                self.rest = what
            elif token[2] == "A":
                row = max(self.row() - int(token[1] or 1), len(self.rows()) - self.height, 0)
                self.line, self.at = self.rows()[row]
            elif token[2] == "K":
                self.cut()
            elif token[2] == "J":
                self.cut()
                del self.lines[self.line + 1:]
            elif token[2]:
                assert token[2] == "m", what
            elif what == "\r":
                self.line, self.at = self.rows()[self.row()]
            elif what == "\n":
                self.down()
            else:
                line = self.lines[self.line].ljust(self.at)
                self.lines[self.line] = line[:self.at] + what + line[self.at + len(what):]
                self.at += len(what)
        return self

    def cut(self):
        """To the end of the row; what a line had on further rows stays there, as lines of their own."""
        line, end = self.lines[self.line], self.rows()[self.row()][1] + self.columns
        self.lines[self.line] = line[:self.at]
        if line[end:]:
            self.lines.insert(self.line + 1, line[end:])

    def down(self):
        row = self.row() + 1
        if row == len(self.rows()):
            self.lines.append("")
        self.line, self.at = self.rows()[row]
