"""Reads the SQL statements out of a mysqltest script (*.test): what is sent to the server, and nothing of what steers
the test program.

A script's commands end with the delimiter, those behind "--" and comments with the line. The server gets every command
whose first word is none of mysqltest's own; statements with its variables (`eval`) are left out, since only a running
test knows their text. Texts are str with one character a byte (latin1), because a script may change its character
set half-way.
"""

import re

# mysqltest's own commands, of which the server sees nothing.
COMMANDS = set("""
    append_file assert cat_file change_user character_set chmod connect connection copy_file copy_files_wildcard dec
    die diff_files dirty_close disconnect echo end error evalp eval eval_result exec exec_in_background execw exit
    file_exists force_cpdir force_restart horizontal_results if inc let list_files list_files_append_file
    list_files_write_file lowercase_result mkdir move_file optimizer_trace output partially_sorted_result ping
    query_attributes query_get_value real_sleep reap remove_file remove_files_wildcard replace_column
    replace_numeric_round replace_regex replace_result require reset_connection result result_format rmdir rowcount
    rpl_parse save_master_pos send_quit send_shutdown shutdown_server skip sleep sorted_result source start_server
    start_timer sync_slave_with_master sync_with_master system timer_end vertical_results view_protocol
    wait_for_slave_to_stop while""".split())
SWITCHES = re.compile(r"(dis|en)able_\w+$")
# Those that are followed by a statement.
PREFIXES = {"query", "query_vertical", "query_horizontal", "send", "send_eval", "eval", "evalp"}
# Those whose text goes on to a line with an end mark.
DOCUMENTS = {"write_file": 2, "append_file": 2, "perl": 1}
WORD = re.compile(r"[A-Za-z_]+")
BLOCK = re.compile(r"(if|while)\s*\(", re.I)


class Script:
    """statements() gives the texts of one script, in order."""

    def __init__(self, text):
        self.text, self.at, self.delimiter = text, 0, ";"

    def statements(self):
        while self.skip_blanks():
            if self.text[self.at] == "#" or self.text.startswith("--", self.at):
                self.read_line()
            elif self.text[self.at] == "}":
                self.at += 1
            elif self.delimiter == ";" and BLOCK.match(self.text, self.at):
                open_brace = self.text.find("{", self.at)
                self.at = len(self.text) if open_brace < 0 else open_brace + 1
            else:
                statement = self.read_command()
                if statement:
                    yield statement

    def skip_blanks(self):
        while self.at < len(self.text):
            if self.text.startswith(self.delimiter, self.at):
                self.at += len(self.delimiter)
            elif self.text[self.at] in " \t\r\n":
                self.at += 1
            else:
                return True
        return False

    def read_line(self):
        """A comment, or a command behind "--"."""
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        words = self.text[self.at:end].lstrip("-").split()
        comment = self.text[self.at] == "#"
        self.at = end
        if comment or not words:
            return
        if words[0].lower() == "delimiter" and len(words) > 1:
            self.delimiter = words[1]
        elif words[0].lower() in DOCUMENTS:
            self.skip_document(words)

    def skip_document(self, words):
        place = DOCUMENTS[words[0].lower()]
        mark = words[place] if len(words) > place else "EOF"
        end = re.compile(rf"^{re.escape(mark)}\s*;?\s*$", re.M).search(self.text, self.at)
        self.at = end.end() if end else self.at

    def command_end(self):
        """Where the delimiter stands, outside of quotes and of comments that have a line of their own."""
        at, quote, text = self.at, None, self.text
        while at < len(text):
            char = text[at]
            if quote:
                if char == "\\" and quote != "`":
                    at += 1
                elif char == quote:
                    quote = None
            elif text.startswith(self.delimiter, at):
                return at
            elif char in "'\"`":
                quote = char
            elif char == "#" and (at == self.at or text[at - 1] == "\n"):
                newline = text.find("\n", at)
                at = len(text) if newline < 0 else newline
            at += 1
        return len(text)

    def read_command(self):
        """Up to the delimiter: the statement in it, or None."""
        end = self.command_end()
        command = self.text[self.at:end].strip()
        self.at = end + len(self.delimiter)
        word = WORD.match(command)
        word = word[0].lower() if word else ""
        if word == "delimiter":
            self.delimiter = command[len(word):].strip()
            return None
        if word in DOCUMENTS:
            self.skip_document(command.split())
            return None
        if word in PREFIXES:
            command = command[len(word):].strip()
            return None if "$" in command and "eval" in word else command
        return None if word in COMMANDS or SWITCHES.match(word) else command


def statements(path):
    with open(path, encoding="latin1", newline="") as file:
        return list(Script(file.read()).statements())
