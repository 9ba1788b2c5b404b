"""Worker process, from a checkout: `python worker.py`; its code is epw/service/worker_process.py."""

from runpy import run_module

if __name__ == "__main__":
    run_module("epw.service.worker_process", run_name="__main__")
