"""Install pip into this virtual environment on a machine that has neither pip nor ensurepip (Debian without root)."""

import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
with urllib.request.urlopen(index, timeout=60) as page:
    links = re.findall(r'href="([^"]*/pip-(\d+)\.(\d+)(?:\.(\d+))?-py3-none-any\.whl[^"]*)"', page.read().decode())
newest = max(links, key=lambda link: tuple(int(part or 0) for part in link[1:]))[0]
with tempfile.TemporaryDirectory() as folder:
    wheel = Path(folder) / urllib.parse.unquote(Path(urllib.parse.urlsplit(newest).path).name)
    urllib.request.urlretrieve(urllib.parse.urljoin(index, newest.replace("&amp;", "&")), wheel)
    # A wheel is a zip file and Python runs a package inside a zip file.
    subprocess.run([sys.executable, f"{wheel}/pip", "install", "-q", "--no-index", str(wheel)], check=True)
