"""The remote control, twice: through crossfadectl, and as raw lines on the admin socket."""

import json
import os
import pathlib
import socket
import subprocess

from .process import Failure, repository


class CtlError(Exception):
    """A command that was refused or failed: .answer is its last JSON object, .status the exit status."""

    def __init__(self, words, status, answer, output):
        super().__init__(f"crossfadectl {' '.join(words)}: status {status}: {output}")
        self.status = status
        self.answer = answer
        self.gates = answer.get("gates", [])


def build_directory():
    """Where the programs under test are: CROSSFADE_BUILD, else build/."""
    return pathlib.Path(os.environ.get("CROSSFADE_BUILD", repository() / "build")).resolve()


def program(name):
    path = build_directory() / name
    if not path.exists():
        raise Failure(f"{path} is not built: run make (or set CROSSFADE_BUILD)")
    return path


class Ctl:
    """ctl("cutover", "users_name") gives the final JSON object, or raises CtlError."""

    def __init__(self, admin_socket):
        self.admin_socket = str(admin_socket)

    def run(self, *words, json_output=True, timeout=120):
        """crossfadectl as it is: the finished process."""
        command = [program("crossfadectl"), "--socket", self.admin_socket, *(["--json"] if json_output else []),
                   *words]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                              check=False)

    def __call__(self, *words, timeout=120):
        return self.objects(*words, timeout=timeout)[-1]

    def objects(self, *words, timeout=120):
        """Every JSON object of the answer, progress lines included."""
        words = [str(word) for word in words]
        done = self.run(*words, timeout=timeout)
        try:
            answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        except ValueError:
            raise Failure(f"crossfadectl {words}: not JSON:\n{done.stdout}\n{done.stderr}") from None
        if done.returncode or not answers or not answers[-1].get("ok"):
            raise CtlError(words, done.returncode, answers[-1] if answers else {}, done.stdout + done.stderr)
        return answers

    def text(self, *words):
        """What a person sees; CtlError when it failed."""
        done = self.run(*words, json_output=False)
        if done.returncode:
            raise CtlError([str(word) for word in words], done.returncode, {}, done.stdout + done.stderr)
        return done.stdout

    def raw(self, line, timeout=30):
        """One line to the admin socket; the objects of the answer up to the one with "ok"."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
            admin.settimeout(timeout)
            admin.connect(self.admin_socket)
            admin.sendall(line.encode() if isinstance(line, str) else line)
            answers = []
            for text in admin.makefile("r", encoding="utf-8"):
                answers.append(json.loads(text))
                if "ok" in answers[-1]:
                    break
            return answers
