"Rules of the repository that no notebook can check from inside"
import ast, builtins, configparser, dis, importlib, importlib.util, pkgutil, re, subprocess, types
from pathlib import Path
import nbformat, pytest

ROOT = Path(__file__).resolve().parent.parent
NBS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if not any(o.startswith('.') for o in p.relative_to(ROOT).parts))
LIB = [p for p in NBS if p.parent==ROOT/'nbs' and p.stem!='index']

def cells(p): return nbformat.read(p, as_version=4).cells
def module(p): return next(m[1] for c in cells(p) if (m := re.match(r'#\|\s*default_exp (\w+)', c.source)))
def tracked(): return subprocess.run(['git','ls-files'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()

def test_readme_is_rendered_from_index():
    spec = importlib.util.spec_from_file_location('readme', ROOT/'.ci/readme.py')
    mod = importlib.util.module_from_spec(spec); spec.loader.exec_module(mod)
    assert (ROOT/'README.md').read_text(encoding='utf-8')==mod.render(), 'README.md is stale: make readme'

def test_readme_pictures_exist():
    for o in re.findall(r'\]\((nbs/images/[^)]+)\)', (ROOT/'README.md').read_text(encoding='utf-8')): assert (ROOT/o).exists(), o

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_notebook_opens_on_one_idea(p):
    first = cells(p)[0]
    assert first.cell_type=='markdown' and re.match(r'# .+\n\n> .+', first.source)

def test_modules_import_only_earlier_ones():
    order = {module(p): i for i,p in enumerate(LIB)}
    for m,i in order.items():
        tree = ast.parse((ROOT/f'semiconductor_cls/{m}.py').read_text(encoding='utf-8'))
        used = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level==1}
        assert m=='core' or 'core' in used
        assert all(order[u]<i for u in used), (m, used)

def test_no_stale_modules_and_all_is_complete():
    mods = {module(p) for p in LIB}
    there = {p.stem for p in (ROOT/'semiconductor_cls').glob('*.py')} - {'__init__','_modidx','all'}
    assert there==mods
    imported = set(re.findall(r'from \.(\w+) import', (ROOT/'semiconductor_cls/all.py').read_text()))
    assert imported==mods-{'cli'}

def codes(c):
    yield c
    for k in c.co_consts:
        if isinstance(k, types.CodeType): yield from codes(k)

def test_no_module_leans_on_a_name_that_only_its_notebook_has():
    import semiconductor_cls
    for o in pkgutil.iter_modules(semiconductor_cls.__path__, 'semiconductor_cls.'):
        m = importlib.import_module(o.name)
        used = {i.argval for c in codes(compile(Path(m.__file__).read_text(), o.name, 'exec')) for i in dis.get_instructions(c) if i.opname=='LOAD_GLOBAL'}
        assert not used-vars(m).keys()-vars(builtins).keys(), o.name

@pytest.mark.parametrize('p', NBS, ids=lambda p: p.stem)
def test_notebook_stays_small(p): assert p.stat().st_size <= 150_000, 'make clean-nbs; then fewer or smaller pictures'

def test_notebooks_stay_small(): assert sum(p.stat().st_size for p in NBS) < 5_000_000

def test_top_level_is_the_agreed_one():
    agreed = set('settings.ini nbs semiconductor_cls data tests README.md setup.py pyproject.toml MANIFEST.in Makefile LICENSE CHANGELOG.md CONTRIBUTING.md .ci .github .gitignore'.split())
    assert {o.split('/')[0] for o in tracked()} <= agreed

def test_no_path_of_one_machine_and_no_data_in_git():
    bad = re.compile(r'/root/|/home/\w|/work/|/tmp/tmp|site-packages')
    for o in tracked():
        p = ROOT/o
        if not p.exists(): continue
        assert not o.startswith('data/') or o=='data/README.md', o
        assert o.startswith('nbs/images/') or p.suffix.lower() not in ('.bmp','.jpg','.tif','.pth','.safetensors','.npy'), o
        if p.suffix in ('.ipynb','.py','.md','.ini','.toml','.yml') and p!=Path(__file__).resolve():
            m = bad.search(p.read_text(encoding='utf-8'))
            assert not m, (o, m)

def test_settings_carry_the_ceilings_that_the_stack_needs():
    c = configparser.ConfigParser(delimiters=['=']); c.read(ROOT/'settings.ini', encoding='utf-8'); c = c['DEFAULT']
    reqs = c['requirements'].split() + c['dev_requirements'].split()
    for want in ('fastai>=2.8.7,<2.8.8','fastcore<2','plum-dispatch<2.10','albumentations==2.0.8','nbdev>=2.4.14,<3','execnb<0.2','ghapi<2'): assert want in reqs
    assert not any(re.match(r'torch(vision)?==', o) for o in reqs)
