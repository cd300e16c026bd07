"""A real JupyterHub: the exploration notebook runs in a user's server, by its own kernel, and shows its figures."""

import json
import os
import secrets
import subprocess
import sys
import time
import uuid
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
import websocket
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from bigearth.files import ROOT
from tests.hosts.mini_slurm import free_ports

NOTEBOOK = ROOT / "notebooks/01_exploration.ipynb"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Address and token of a running hub, and the home folder of its user alice."""
    folder = tmp_path_factory.mktemp("hub")
    home = folder / "home/alice"
    home.mkdir(parents=True)
    ports = dict(zip(("HUB_PORT", "HUB_API_PORT", "HUB_PROXY_PORT"), map(str, free_ports(3)), strict=True))
    secret = {name: secrets.token_hex(32) for name in ("HUB_TOKEN", "HUB_PASSWORD", "CONFIGPROXY_AUTH_TOKEN")}
    environment = {**os.environ, **ports, **secret, "HUB_FOLDER": str(folder)}
    command = [sys.executable, "-m", "jupyterhub", "-f", str(Path(__file__).with_name("jupyterhub_config.py"))]
    with open(folder / "hub.log", "wb") as log:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    session = requests.Session()
    session.headers["Authorization"] = f"token {secret['HUB_TOKEN']}"
    session.url, session.home, session.secret = f"http://127.0.0.1:{ports['HUB_PORT']}", home, secret
    session.log = folder / "hub.log"
    try:
        _until(lambda: _answers(session, process), 60, session.log)
        yield session
    finally:
        started = process.children(recursive=True)
        process.terminate()
        gone, left = psutil.wait_procs([process, *started], timeout=20)
        for each in left:
            each.kill()
        assert not left, f"the hub left {left}"


@pytest.fixture(scope="module")
def server(hub):
    """Address of alice's JupyterLab server, in whose home the kernel was installed."""
    subprocess.run(
        [sys.executable, ROOT / "slurm/install_kernel.py"], env={**os.environ, "HOME": str(hub.home)}, check=True
    )
    hub.post(f"{hub.url}/hub/api/users/alice/server").raise_for_status()
    _until(lambda: hub.get(f"{hub.url}/user/alice/api/status").ok, 120, hub.log)
    return f"{hub.url}/user/alice"


@pytest.fixture(scope="module")
def executed(hub, server, tiny_archive, tmp_path_factory):
    """The exploration notebook, executed by the server's kernel `bigearth` and stored through the server."""
    work = tmp_path_factory.mktemp("work")
    parameters = {"archive": str(tiny_archive), "workdir": str(work), "results": str(work / "results")}
    notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOK)), parameters)
    notebook.metadata.kernelspec = {"name": "bigearth", "display_name": "bigearth", "language": "python"}
    _run_by_rest(notebook, hub, server)
    reply = hub.put(f"{server}/api/contents/01_exploration.ipynb", json={"type": "notebook", "content": notebook})
    reply.raise_for_status()
    return notebook


def test_the_server_offers_the_kernel(hub, server):
    kernels = hub.get(f"{server}/api/kernelspecs").json()["kernelspecs"]
    assert kernels["bigearth"]["spec"]["argv"][0] == sys.executable


def test_exploration_runs_by_rest_and_shows_its_figures(executed):
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) >= 3


def test_no_secret_lies_open(hub, executed):
    for secret in hub.secret.values():
        assert secret not in nbformat.writes(executed) and secret not in hub.log.read_text()
    open_files = [path for path in hub.home.parent.parent.rglob("*") if path.is_file() and path.stat().st_mode & 0o044]
    for path in open_files:
        for secret in hub.secret.values():
            assert secret.encode() not in path.read_bytes(), f"{path} is readable by others and holds a secret"


def test_the_notebook_looks_right_in_jupyterlab(hub, server, executed):
    from playwright.sync_api import sync_playwright

    chromium = next((path for path in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(path).exists()), None)
    if not chromium:
        pytest.skip("no Chromium (./setup.sh test installs it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(f"{hub.url}/hub/login?next=/user/alice/lab/tree/01_exploration.ipynb%3Freset")
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", hub.secret["HUB_PASSWORD"])
        page.click("#login_submit")
        page.wait_for_selector(".jp-Notebook h1", timeout=60_000)
        page.wait_for_selector(".jp-OutputArea-output img", timeout=60_000, state="attached")
        page.locator(".jp-OutputArea-output img").first.scroll_into_view_if_needed()
        page.wait_for_timeout(2000)
        page.get_by_role("button", name="No", exact=True).click()  # JupyterLab offers its news
        picture = ROOT / "scratch/jupyterlab.png"
        picture.parent.mkdir(exist_ok=True)
        page.screenshot(path=picture)
        width = page.locator(".jp-OutputArea-output img").first.evaluate("image => image.naturalWidth")
        kernel = page.locator(".jp-Toolbar-kernelName").first.inner_text()
        browser.close()
    assert width > 200 and "bigearth" in kernel


def _run_by_rest(notebook, hub, server):
    """Execute the cells in place over the server's REST and websocket interface, as a browser does."""
    kernel = hub.post(f"{server}/api/kernels", json={"name": "bigearth"}).json()["id"]
    address = f"{server.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
    header = {"Authorization": hub.headers["Authorization"]}
    channel = websocket.create_connection(address, header=header, timeout=300, suppress_origin=True)
    try:
        for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            cell.outputs, cell.execution_count = _outputs(channel, cell.source), number
    finally:
        channel.close()
        hub.delete(f"{server}/api/kernels/{kernel}").raise_for_status()


def _outputs(channel, code):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": "test",
        "username": "",
        "version": "5.3",
    }
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channel.send(json.dumps(message))
    outputs = []
    while True:
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return outputs
        if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            outputs.append(nbformat.v4.output_from_msg(nbformat.from_dict(message)))


def _answers(session, process):
    assert process.is_running() and process.status() != psutil.STATUS_ZOMBIE, session.log.read_text()
    try:
        return session.get(f"{session.url}/hub/api").ok
    except requests.ConnectionError:
        return False


def _until(condition, seconds, log):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {log.read_text()[-3000:]}"
        time.sleep(0.5)
