"""Every notebook, top to bottom, in a real Jupyter kernel, two at a time, as people use them. `make test` runs the
notebooks once, by nbdev_test; this second run is one of the slow tests"""
import os, re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import nbformat, pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NBS = sorted(p for p in (ROOT/'nbs').glob('*.ipynb'))
SKIP = re.compile(r'#\|\s*(eval:\s*false|cuda|slow|scale)', re.M)

def is_run(c): return c.cell_type!='code' or not SKIP.match(c.source) and 'nbdev_export()' not in c.source

def execute(p):
    nb = nbformat.read(p, as_version=4)
    nb.cells = list(filter(is_run, nb.cells))
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    place = {'metadata': {'path': str(p.parent)}}
    NotebookClient(nb, timeout=300, kernel_name='python3', resources=place).execute(env=env)
    return nb

@pytest.fixture(scope='session')
def executed():
    with ThreadPoolExecutor(2) as ex: yield {p: ex.submit(execute, p) for p in NBS}

@pytest.mark.slow
@pytest.mark.parametrize('p', NBS, ids=lambda p: p.stem)
def test_runs_in_jupyter(p, executed):
    nb = executed[p].result() # raises what the notebook raised
    assert all(c.execution_count for c in nb.cells if c.cell_type=='code' and c.source.strip())
