"Every notebook, top to bottom, in a real Jupyter kernel: that is how people use them"
import re
from pathlib import Path
import nbformat, pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NBS = sorted(p for p in (ROOT/'nbs').glob('*.ipynb'))
SKIP = re.compile(r'#\|\s*(eval:\s*false|cuda|slow)', re.M)

@pytest.mark.parametrize('p', NBS, ids=lambda p: p.stem)
def test_runs_in_jupyter(p):
    nb = nbformat.read(p, as_version=4)
    nb.cells = [c for c in nb.cells if c.cell_type!='code' or not SKIP.match(c.source) and 'nbdev_export()' not in c.source]
    NotebookClient(nb, timeout=300, kernel_name='python3', resources={'metadata': {'path': str(p.parent)}}).execute()
    assert all(c.execution_count for c in nb.cells if c.cell_type=='code' and c.source.strip())
