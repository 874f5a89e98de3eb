"""The docs site: `python .ci/docs.py` copies the notebooks without what only nbdev needs, and lets mkdocs build them.
As a hook of mkdocs (see mkdocs.yml) it makes the chapters: the wings, each with its notebooks in reading order"""
import os, re, shutil, subprocess, sys, tempfile
from pathlib import Path
import nbformat

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = dict(spine='The study', base='Base', jobs='Jobs', line='On the line', station='The station', scale='Scale',
                cli='The command', experiments='Experiments')
PAGES = dict(CONTRIBUTING='The map', CHANGELOG='Changelog', data='Data')
PLUMBING = re.compile(r'#\|\s*(hide|default_exp)')
CSS = '.md-grid{max-width:100rem} .jupyter-wrapper pre,.jupyter-wrapper code{font-size:.62rem!important}'

def notebooks(folder):
    "Notebooks in reading order, without those that Jupyter keeps for itself"
    return [p for p in sorted(folder.rglob('*.ipynb')) if '/.' not in p.relative_to(folder).as_posix()]

def for_readers(nb):
    "A notebook without hidden cells and without nbdev's directives"
    nb.cells = [c for c in nb.cells if not PLUMBING.match(c.source)]
    for c in nb.cells:
        if c.cell_type=='code': c.source = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M)
    return nb

def copy_sources(to):
    "What the site is made of, into the folder `to`"
    for p in notebooks(ROOT/'nbs'):
        target = to/p.relative_to(ROOT/'nbs')
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(for_readers(nbformat.read(p, as_version=4)), target)
    shutil.copytree(ROOT/'nbs/images', to/'images')
    for k in PAGES: shutil.copy(ROOT/('data/README.md' if k=='data' else f'{k}.md'), to/f'{k}.md')
    (to/'site.css').write_text(CSS)

def title(path):
    "The first heading of a notebook"
    return re.match(r'# (.+)', nbformat.read(path, as_version=4).cells[0].source)[1]

def chapter(path):
    "Key of the chapter that a notebook belongs to"
    if path.parent.name=='experiments': return 'experiments'
    wing,dot,_ = path.stem.split('_', 1)[1].partition('.')
    return wing if dot else 'cli' if wing in ('cli','shell') else 'spine'

def on_config(config):
    "Set the navigation"
    source = Path(config.docs_dir)
    chapters = {k: [] for k in CHAPTERS}
    for p in notebooks(source):
        if p.stem!='index': chapters[chapter(p)].append({title(p): p.relative_to(source).as_posix()})
    config.nav = [{'Start': 'index.ipynb'}]
    config.nav += [{name: chapters[k]} for k,name in CHAPTERS.items() if chapters[k]]
    config.nav += [{'Project': [{name: f'{k}.md'} for k,name in PAGES.items()]}]
    return config

if __name__=='__main__':
    with tempfile.TemporaryDirectory() as tmp:
        copy_sources(Path(tmp))
        env = {**os.environ, 'DOCS_SOURCE': tmp, 'NO_MKDOCS_2_WARNING': '1'}
        done = subprocess.run(['mkdocs','build','-q','-f',str(ROOT/'.ci/mkdocs.yml')], env=env)
    if not done.returncode: print('docs: in _site/; to look at it, with search: python -m http.server -d _site')
    sys.exit(done.returncode)
