"""Guards every notebook, top to bottom, in a real Jupyter kernel, two at a time, as people use them. `make test` runs
the notebooks once, by nbdev_test; this second run is one of the slow tests. And the site that `make docs` makes"""
import importlib.util, json, os, re, subprocess
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

# ---- the site

def docs_module():
    "`.ci/docs.py`, which copies the sources and gives mkdocs its chapters"
    spec = importlib.util.spec_from_file_location('docs', ROOT/'.ci/docs.py')
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    return mod

@pytest.fixture(scope='session')
def site(tmp_path_factory):
    "The site of this checkout, built as `make docs` builds it"
    pytest.importorskip('mkdocs_jupyter')
    source,to = tmp_path_factory.mktemp('source'),tmp_path_factory.mktemp('site')
    docs_module().copy_sources(source)
    env = {**os.environ, 'DOCS_SOURCE': str(source), 'NO_MKDOCS_2_WARNING': '1'}
    cmd = ['mkdocs','build','-q','-f',str(ROOT/'.ci/mkdocs.yml'),'-d',str(to)]
    done = subprocess.run(cmd, env=env, capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    return to

@pytest.mark.slow
def test_the_site_has_every_notebook_in_its_chapter(site):
    docs = docs_module()
    start = (site/'index.html').read_text(encoding='utf-8')
    for name in (*docs.CHAPTERS.values(), 'Project'): assert re.search(rf'>\s*{re.escape(name)}\s*<', start), name
    for p in docs.notebooks(ROOT/'nbs'):
        page = p.relative_to(ROOT/'nbs').with_suffix('.html')
        assert (site/page).exists() and f'href="{page.as_posix()}"' in start or p.stem=='index', page
    for name in docs.PAGES: assert (site/f'{name}.html').exists(), name

@pytest.mark.slow
def test_the_site_can_be_searched_and_shows_no_plumbing(site):
    found = json.loads((site/'search/search_index.json').read_text(encoding='utf-8'))['docs']
    assert len({o['location'].partition('#')[0] for o in found})>=len(NBS)
    assert any('overkill' in o['text'] for o in found)
    page = (site/'31_auc.html').read_text(encoding='utf-8')
    assert '#| export' not in page and 'nbdev_export()' not in page and 'data:image/png' in page
