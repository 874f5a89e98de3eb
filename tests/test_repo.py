"Guards rules of the repository that no notebook can check from inside"
import ast, builtins, configparser, dis, importlib, importlib.util, io, pkgutil, re, runpy, shutil, subprocess
import sys, types
from collections import Counter
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
import nbformat, pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
PKG = ROOT/'semiconductor_cls'
NBS = [p for p in sorted((ROOT/'nbs').rglob('*.ipynb')) if '/.' not in p.relative_to(ROOT).as_posix()]
LIB = [p for p in NBS if p.parent==ROOT/'nbs' and p.stem!='index']
WINGS = ['base','spine','jobs','line','station','scale','cli'] # each imports only what stands before it
BY_HAND = {'__init__','__main__','_modidx','all'}

@cache # each is read by a dozen tests, and changed by none
def cells(p): return nbformat.read(p, as_version=4).cells
def module(p): return next(m[1] for c in cells(p) if (m := re.match(r'#\|\s*default_exp ([\w.]+)', c.source)))
def path_of(m): return PKG/(m.replace('.', '/')+'.py')
def wing(m): return m.split('.')[0] if '.' in m else 'cli' if m in ('cli','shell') else 'spine'
def tracked():
    return subprocess.run(['git','ls-files'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
def is_export(c): return c.cell_type=='code' and re.match(r'#\|\s*export', c.source)

def imports(m):
    "Modules of the package that module `m` imports, at the top or inside functions"
    for n in ast.walk(ast.parse(path_of(m).read_text(encoding='utf-8'))):
        if not isinstance(n, ast.ImportFrom): continue
        if n.level:
            above = ['semiconductor_cls',*m.split('.')][:-n.level]
            full = '.'.join([*above, n.module or ''])
        else: full = n.module
        if full.startswith('semiconductor_cls.'): yield full.removeprefix('semiconductor_cls.')

def test_readme_is_rendered_from_index():
    spec = importlib.util.spec_from_file_location('readme', ROOT/'.ci/readme.py')
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    assert (ROOT/'README.md').read_text(encoding='utf-8')==mod.render(), 'README.md is stale: make readme'

def test_readme_pictures_exist():
    for o in re.findall(r'\]\((nbs/images/[^)]+)\)', (ROOT/'README.md').read_text(encoding='utf-8')):
        assert (ROOT/o).exists(), o

# ---- the house

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_notebook_opens_on_one_idea(p):
    first = cells(p)[0]
    assert first.cell_type=='markdown' and re.match(r'# .+\n\n> .+', first.source)

def test_notebooks_are_named_after_their_modules():
    for p in LIB: assert re.fullmatch(rf'\d\d_{re.escape(module(p))}', p.stem), p.stem

def test_the_map_names_every_room():
    house = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8').partition('## The house')[2].split('```')[1]
    rooms = set(re.findall(r'\w+', house))
    assert not [m for m in map(module, LIB) if m.split('.')[-1] not in rooms]

def test_modules_import_only_earlier_ones_and_lower_wings():
    order = {module(p): i for i,p in enumerate(LIB)}
    for m,i in order.items():
        for u in imports(m):
            assert order[u]<i, f'{m} imports {u}, which is read later'
            assert WINGS.index(wing(u))<=WINGS.index(wing(m)), f'{m} climbs up to {u}'

def test_no_stale_modules_and_all_is_complete():
    mods = {module(p) for p in LIB}
    there = {'.'.join(p.relative_to(PKG).with_suffix('').parts) for p in PKG.rglob('*.py')}
    there -= BY_HAND | {f'{w}.__init__' for w in WINGS} | {'line.score_script'}
    assert there==mods
    imported = re.findall(r'from \.([\w.]+) import', (PKG/'all.py').read_text())
    assert set(imported)==mods-{'cli','shell'} and len(imported)==len(set(imported))

def test_a_name_stands_once():
    apart = ('cli','shell','learner') # learner gives other rooms' names on purpose
    rooms = [m for m in map(module, LIB) if m not in apart]
    names = Counter(n for m in rooms for n in importlib.import_module(f'semiconductor_cls.{m}').__all__)
    assert not [n for n,k in names.items() if k>1], 'one of them is lost in semiconductor_cls.all'

def test_names_of_earlier_releases_are_there_or_told():
    import semiconductor_cls.all as every
    told = (ROOT/'CHANGELOG.md').read_text(encoding='utf-8')
    names = (ROOT/'tests/names_0.2.1.txt').read_text().split()
    lost = [n for n in names if not hasattr(every, n) and not re.search(rf'`{re.escape(n)}\b', told)]
    assert not lost, f'gone from semiconductor_cls.all, and CHANGELOG.md does not name what replaces them: {lost}'

def test_fastai_and_this_library_do_not_shadow_one_another():
    first,second = {},{}
    exec('from fastai.vision.all import *\nfrom semiconductor_cls.all import *', first)
    exec('from semiconductor_cls.all import *\nfrom fastai.vision.all import *', second)
    names = {name for name in first.keys() & second.keys() if not name.startswith('_')}
    assert {'Learner','make_dls','auc_ci'} <= names
    assert not [name for name in names if first[name] is not second[name]]
    from semiconductor_cls.all import load_image # By name, as ever
    assert load_image.__module__=='semiconductor_cls.base.image'

MOVED = '''core image report switches job committee ablate bundle export inputs predict explain drift gate verdicts
    app'''

@pytest.mark.parametrize('old', MOVED.split())
def test_a_moved_module_gives_its_names_and_says_where_they_are(old):
    sys.modules.pop(f'semiconductor_cls.{old}', None)
    with pytest.warns(FutureWarning, match=rf'semiconductor_cls\.{old} has moved') as told:
        module = importlib.import_module(f'semiconductor_cls.{old}')
    *rooms,every = re.findall(r'semiconductor_cls\.([\w.]+\w)', str(told[0].message))[1:]
    assert rooms and every=='all'
    for room in rooms:
        new = importlib.import_module(f'semiconductor_cls.{room}')
        assert path_of(room).exists(), room
        for name in new.__all__: assert getattr(module, name) is getattr(new, name), name

def test_a_module_that_never_was_is_just_not_there():
    with pytest.raises(ModuleNotFoundError, match='No module named'):
        importlib.import_module('semiconductor_cls.nothing')

def codes(c):
    yield c
    for k in c.co_consts:
        if isinstance(k, types.CodeType): yield from codes(k)

def unknown(text, names):
    "Globals that a module uses, and nothing gives"
    instructions = (i for c in codes(compile(text, 'module', 'exec')) for i in dis.get_instructions(c))
    used = {i.argval for i in instructions if i.opname=='LOAD_GLOBAL'}
    return used-names.keys()-vars(builtins).keys()

def test_no_module_leans_on_a_name_that_only_its_notebook_has():
    import semiconductor_cls
    for o in pkgutil.walk_packages(semiconductor_cls.__path__, 'semiconductor_cls.'):
        m = importlib.import_module(o.name)
        if not m.__file__.endswith('.py') or o.ispkg or o.name.endswith('.score_script'): continue
        assert not unknown(Path(m.__file__).read_text(), vars(m)), o.name

def test_the_script_of_a_bundle_has_every_name_that_it_uses(tmp_path):
    from semiconductor_cls.line.export import score_source
    (tmp_path/'score.py').write_text(score_source())
    assert not unknown(score_source(), runpy.run_path(str(tmp_path/'score.py')))

def made_and_needed(text):
    "What each statement of a module makes, and the names that it uses"
    for o in ast.parse(text).body:
        names = [n for n in ast.walk(o) if isinstance(n, ast.Name)]
        if isinstance(o, (ast.FunctionDef,ast.ClassDef)): made = {o.name}
        elif isinstance(o, (ast.Import,ast.ImportFrom)): made = {a.asname or a.name.split('.')[0] for a in o.names}
        else: made = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        yield made, {n.id for n in names if isinstance(n.ctx, ast.Load)}

def idle(text):
    "What a script makes, and nothing that runs asks for, also not by what it calls"
    rows = list(made_and_needed(text))
    reached,todo = set(),set().union(*(needed for made,needed in rows if not made))
    while todo:
        reached |= todo
        todo = set().union(*(needed for made,needed in rows if made & todo))-reached
    return set().union(*(made for made,_ in rows))-reached

def test_the_script_of_a_bundle_has_no_name_that_it_does_not_use():
    from semiconductor_cls.line.export import score_source
    assert idle('import os, re\ndef f(): g()\ndef g(): re\ndef h(): h()\nf()')=={'os','h'}
    assert not idle(score_source())

def test_a_test_file_is_named_after_its_room_or_says_what_it_guards():
    rooms = {module(p).split('.')[-1] for p in LIB}
    for p in sorted((ROOT/'tests').glob('test_*.py')):
        guards = (ast.get_docstring(ast.parse(p.read_text(encoding='utf-8'))) or '').startswith('Guards ')
        assert guards or p.stem.removeprefix('test_') in rooms, p.name

# ---- lines and cells

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_an_exported_cell_is_read_at_a_glance(p):
    exported = [c.source for c in cells(p) if c.cell_type=='code' and c.source.startswith('#| export')]
    long = [o.splitlines()[1] for o in exported if len(o.splitlines())>30]
    assert not long, 'a cell of more than 30 lines holds more than one idea'

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_lines_fit_a_page(p):
    wide = [l for c in cells(p) if c.cell_type=='code' for l in c.source.splitlines() if len(l)>120]
    assert not wide, 'a rendered notebook cuts lines after 120 columns'

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_what_hangs_on_a_condition_is_not_at_the_end_of_a_long_line(p):
    whole = ast.Module,ast.ClassDef,ast.FunctionDef,ast.AsyncFunctionDef # `def f(x): return …` may be long
    for c in filter(is_export, cells(p)):
        lines = c.source.splitlines()
        nodes = [o for o in ast.walk(ast.parse(c.source)) if not isinstance(o, whole)]
        blocks = [getattr(o, name, None) for o in nodes for name in ('body','orelse','finalbody')]
        first = [block[0] for block in blocks if isinstance(block, list) and block]
        hung = [(lines[o.lineno-1], o.col_offset) for o in first]
        assert not [line for line,col in hung if len(line)>88 and line[:col].strip()]

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_an_exported_cell_holds_one_idea(p):
    for c in filter(is_export, cells(p)):
        tree = ast.parse(c.source)
        functions = ast.FunctionDef,ast.AsyncFunctionDef
        defs = [o for o in tree.body if isinstance(o, (*functions,ast.ClassDef))]
        assert len(defs)<=3, [o.name for o in defs]
        assert len(c.source.splitlines())<=45
        for o in ast.walk(tree):
            if isinstance(o, functions): assert o.end_lineno-o.lineno<40, o.name

FORKS = ast.If,ast.IfExp,ast.For,ast.AsyncFor,ast.While,ast.ExceptHandler,ast.Assert

def branches(node):
    "McCabe's number of a function, with what it holds inside; `and`, `or` and parts of a comprehension count"
    n = 1
    for o in ast.walk(node):
        if isinstance(o, FORKS): n += 1
        elif isinstance(o, ast.BoolOp): n += len(o.values)-1
        elif isinstance(o, ast.comprehension): n += 1+len(o.ifs)
    return n

def test_few_functions_branch_a_lot():
    code = 'def f(a):\n    if a and a[0]: return [o for o in a if o]\n    return 1 if a else 2'
    assert branches(ast.parse(code))==1+1+1+2+1
    trees = {p: ast.parse(p.read_text(encoding='utf-8')) for p in sorted(PKG.rglob('*.py')) if p.stem!='_modidx'}
    found = {f'{p.stem}.{o.name}': branches(o) for p,tree in trees.items() for o in ast.walk(tree)
             if isinstance(o, (ast.FunctionDef,ast.AsyncFunctionDef))}
    many = {name: n for name,n in found.items() if n>12}
    assert max(many.values())<=20 and len(many)<=.015*len(found), sorted(many.items(), key=lambda o: -o[1])

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_prose_and_lessons_come_between(p):
    run = 0
    for c in cells(p):
        run = run+1 if is_export(c) else run if c.cell_type=='code' and 'default_exp' in c.source else 0
        assert run<=3, c.source[:60]

@pytest.mark.parametrize('p', LIB, ids=lambda p: p.stem)
def test_a_lesson_shows_its_own_last_value(p):
    for c in cells(p):
        if c.cell_type!='code' or c.source.startswith('#|'): continue
        last = ast.parse(c.source).body[-1]
        is_value = isinstance(last, ast.Expr) and not isinstance(last.value, (ast.Call,ast.Constant))
        is_shown = any(o.output_type=='execute_result' for o in c.outputs)
        assert is_shown or not is_value, f'run this cell, its output is lost: {c.source[-80:]}'
        assert not is_shown or isinstance(last, ast.Expr), f'an output of another cell: {c.source[-80:]}'

@pytest.mark.parametrize('p', NBS, ids=lambda p: p.stem)
def test_notebook_stays_small(p):
    most = 500_000 if p.parent.name=='experiments' else 150_000
    assert p.stat().st_size<=most, 'make clean-nbs; then fewer or smaller pictures'

@pytest.mark.parametrize('spot,of', [((3,'red'),'white'), ((60,(96,96,96)),(80,80,80))], ids=['dot','faint'])
def test_a_picture_is_made_small_once_and_loses_nothing_that_is_seen(spot, of):
    (side,colour),shrink = spot,runpy.run_path(ROOT/'.ci/shrink.py')['shrink']
    im = Image.new('RGB', (1600,1200), of)
    for i in range(40): ImageDraw.Draw(im).line((0,30*i,1600,1200-40*i), (5*i,4*i,90), 5)
    im = im.resize((400,300))
    im.paste(colour, (0,120,side,120+side))
    file = io.BytesIO()
    im.save(file, 'png')
    kind,small = shrink(file.getvalue())
    seen = Image.open(io.BytesIO(small)).convert('RGB').getpixel((side//2,120+side//2))
    assert kind=='png' and len(small)<.5*len(file.getvalue()) and shrink(small)==('png',small)
    assert max(abs(a-b) for a,b in zip(seen, im.getpixel((side//2,120+side//2))))<=12

def test_notebooks_stay_small(): assert sum(p.stat().st_size for p in NBS) < 5_000_000

# ---- prose

MOST_WORDS = 30

def blocks(text):
    "Paragraphs, list items, quotes and headings of a markdown text, without code and tables"
    text = re.sub(r'```.*?```', '\n\n', text, flags=re.S)
    for block in re.split(r'\n\s*\n|\n(?=\s*(?:[-*>|#]|\d+\.)\s?)', text):
        if not block.lstrip().startswith('|'): yield ' '.join(re.sub(r'^\s*(#+|[-*>]|\d+\.)\s', '', block).split())

def sentences(text):
    "Sentences of a markdown text; what follows a colon counts as one of its own if it begins as one"
    for block in blocks(text): yield from re.split(r'(?<=[.!?:])["\')*]*\s+(?=[A-Z`*"\'(\[0-9])', block)

def n_words(sentence):
    "Words of a sentence; the text of a link counts, code is one word"
    plain = re.sub(r'`[^`]*`', 'code', re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', sentence))
    return len(re.findall(r'\S*\w\S*', plain))

def test_sentences_are_told_apart_and_counted():
    text = '## A head\n\nOne two. Three `a b c` [four](x.html)? - no\n- five\n\n```\nsix. seven\n```\n| eight |\n'
    assert [*sentences(text)]==['A head', 'One two.', 'Three `a b c` [four](x.html)? - no', 'five']
    assert [*map(n_words, sentences(text))]==[2,2,4,1]

@pytest.mark.parametrize('p', NBS, ids=lambda p: p.stem)
def test_a_sentence_is_taken_in_at_once(p):
    prose = [c.source for c in cells(p) if c.cell_type=='markdown']
    long = [o for text in prose for o in sentences(text) if n_words(o)>MOST_WORDS]
    assert not long, '\n'.join(long)
    riddles = re.findall(r'[^.\n]*\bwhoever\b[^.\n]*', '\n'.join(prose), re.I)
    assert not riddles, '\n'.join(riddles)

# ---- files

def test_top_level_is_the_agreed_one():
    agreed = set('''settings.ini nbs semiconductor_cls data tests README.md setup.py pyproject.toml MANIFEST.in Makefile
        LICENSE CHANGELOG.md CONTRIBUTING.md .ci .github .gitignore .pre-commit-config.yaml'''.split())
    assert {o.split('/')[0] for o in tracked()} <= agreed

def test_no_path_of_one_machine_and_no_data_in_git():
    bad = re.compile(r'/root/|/home/\w|/work/|/tmp/(tmp|\w{1,3}/)|site-packages')
    pictures = '.bmp .jpg .tif .pth .safetensors .npy'.split()
    text = '.ipynb .py .md .ini .toml .yml .yaml .csv .js .css .html'.split()
    for o in tracked():
        p = ROOT/o
        if not p.exists(): continue
        assert not o.startswith('data/') or o=='data/README.md', o
        assert o.startswith('nbs/images/') or p.suffix.lower() not in pictures, o
        if p.suffix in text and p!=Path(__file__).resolve():
            m = bad.search(p.read_text(encoding='utf-8'))
            assert not m, (o, m)

@pytest.mark.parametrize('p', sorted(PKG.rglob('*.css')), ids=lambda p: p.name)
def test_style_sheets_parse(p):
    tinycss2 = pytest.importorskip('tinycss2')
    rules = tinycss2.parse_stylesheet(p.read_text(encoding='utf-8'), skip_comments=True, skip_whitespace=True)
    assert rules and not [r for r in rules if r.type=='error']
    for r in rules:
        if r.type!='qualified-rule': continue
        wrong = [d for d in tinycss2.parse_blocks_contents(r.content) if d.type=='error']
        assert not wrong, tinycss2.serialize(r.prelude)

@pytest.mark.parametrize('p', sorted(PKG.rglob('*.js')), ids=lambda p: p.name)
def test_scripts_parse(p):
    node = shutil.which('node') or pytest.skip('no node to be had')
    r = subprocess.run([node,'--check',str(p)], capture_output=True, text=True)
    assert r.returncode==0, r.stderr

def test_settings_carry_the_ceilings_that_the_stack_needs():
    c = configparser.ConfigParser(delimiters=['='])
    c.read(ROOT/'settings.ini', encoding='utf-8')
    c = c['DEFAULT']
    reqs = c['requirements'].split() + c['dev_requirements'].split()
    for want in '''fastai>=2.8.7,<2.8.8 fastcore<2 plum-dispatch<2.10 albumentations==2.0.8 nbdev>=2.4.14,<3
        execnb<0.2 ghapi<2'''.split(): assert want in reqs
    assert not any(re.match(r'torch(vision)?==', o) for o in reqs)

_COMES_WITH = dict(fastapi='gradio', starlette='gradio', uvicorn='gradio', python_multipart='gradio',
                   markupsafe='jinja2', packaging='fastai', huggingface_hub='timm') # Which each of them asks for itself

def _asked_for(*but):
    c = configparser.ConfigParser(delimiters=['='])
    c.read(ROOT/'settings.ini', encoding='utf-8')
    c = c['DEFAULT']
    return [word for name in c if name.endswith('requirements') and name not in but for word in c[name].split()]

def _imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import): yield from (o.name.split('.')[0] for o in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level: yield node.module.split('.')[0]

def test_every_package_that_is_imported_is_asked_for():
    asked = {re.split('[<>=]', word)[0].lower().replace('_', '-') for word in _asked_for('dev_requirements')}
    packages = packages_distributions()
    names = {name for path in PKG.rglob('*.py') for name in _imported(path)}
    for name in names - set(sys.stdlib_module_names) - {PKG.name}:
        brought_by = packages.get(name) or [_COMES_WITH.get(name, name)]
        known = {o.lower().replace('_', '-') for o in [*brought_by, _COMES_WITH.get(name, name)]}
        assert asked & known, f'{name} is imported, and settings.ini does not ask for it'

def test_the_oldest_versions_are_those_of_the_settings():
    r = subprocess.run([sys.executable, ROOT/'.ci/oldest.py'], capture_output=True, text=True, check=True)
    said = r.stdout.split()
    words = _asked_for('dev_requirements', 'docs_requirements')
    assert {o.replace('==', '>=') for o in said}=={word.split(',')[0] for word in words if '>=' in word}
    names = [o.split('==')[0] for o in said]
    assert len(names)==len(set(names)) # one floor each, else pip finds no version
    assert {'numpy','torch','pillow','pandas','gradio','ray'} <= set(names)

_UNITS = {'bytes','pixels'}
_MANY = {'members','committees','combinations','ones'} # Said where there are at least two
_VERBS = {'reads'} # Words with an s that follow a name, not a number
_SAYS = {'tell','echo','print','say'}

_WORDS,_PLURAL = '(?:(?!of |in |on )[a-z]+ ){0,2}?', r'([a-z]+[^\W\ds]s)\b(?!/)'
_TEMPLATE = re.compile(r'\{\w+:,\} '+_WORDS+_PLURAL)

def _name(node): return getattr(node, 'id', getattr(node, 'attr', ''))

def _is_count(value):
    "Whether what an f-string shows is a number of things: a length, a sum, or a whole number with commas"
    what = value.value
    name = _name(what)
    if isinstance(what, ast.Call): return _name(what.func) in {'len','sum','nunique'}
    return not name.isupper() and value.format_spec is not None and ast.unparse(value.format_spec)=="f','"

def _bare_nouns(text, said):
    "Nouns in the plural after a number in an f-string; after anything at all, if it is `said` by a command"
    for value,after in zip(text.values, text.values[1:]):
        if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant): continue
        word = re.match(' '+('' if said else _WORDS)+_PLURAL, after.value)
        if word and (said or _is_count(value)): yield word[1]

def bare_counts(tree):
    "What a command, an error or a page would say as '1 files': no `counted` stands before the word"
    calls = [o for o in ast.walk(tree) if isinstance(o, ast.Call) and _name(o.func) in _SAYS]
    said = {id(o) for call in calls for a in call.args for o in ast.walk(a)}
    for text in ast.walk(tree):
        nouns = []
        if isinstance(text, ast.JoinedStr): nouns = _bare_nouns(text, id(text) in said)
        if isinstance(text, ast.Constant): nouns = _TEMPLATE.findall(str(text.value))
        if {*nouns} - _VERBS - _UNITS - _MANY: yield ast.unparse(text)

def test_a_number_agrees_with_its_noun():
    for bad in ("tell(f'{n:,} files scored')", "typer.echo(f'{path}: {len(df)} pictures')", "f'{n:,} files'",
                "'{n:,} files'", "UserError(f'no label on {odd.sum()} good parts')"):
        assert [*bare_counts(ast.parse(bad))]
    for good in ("tell(f'{counted(n, \"file\")} scored')", "tell(f'{speed} images/s')", "f'{size:,} bytes'",
                 "f'{len(odd)} of the rows'", "f'{path} files'"):
        assert not [*bare_counts(ast.parse(good))]
    found = [f'{p.name}: {o}' for p in sorted(PKG.rglob('*.py')) for o in bare_counts(ast.parse(p.read_text()))]
    assert not found, '\n'.join(found)

def orders(code):
    "Where on the page of a run its sections stand, as the library says it"
    found = re.findall(r"Section\((\d+)|write_section\(run, '\w+', (\d+)|[{ ](\d+):_?\w*(?:part\(|every)", code)
    return {int(n) for o in found for n in o if n}

def test_the_places_on_a_page_stand_in_the_prose():
    assert orders("own = {7:_new_part(run), 9:every}\nwrite_section(run, 'slow', 60, parts)")=={7,9,60}
    prose = next(c.source for c in cells(ROOT/'nbs/06_base.page.ipynb') if 'The numbers in use: ' in c.source)
    used = set().union(*(orders(p.read_text()) for p in PKG.rglob('*.py')))
    assert {int(n) for n in re.findall(r'\d+', prose.partition('The numbers in use: ')[2])}==used
