"Guards what README and the help show: each command and block runs as it is written there, on small drawn data"
import functools, os, re, shlex, shutil, subprocess, sys, time, types
from pathlib import Path
import pandas as pd, pytest
from typer.main import get_command
import semiconductor_cls.all as every
from conftest import free_port, part, tiny
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.run import create_run
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.cli import app, main
from semiconductor_cls.line import watch
from semiconductor_cls.station import page
from semiconductor_cls.station.verdicts import Verdicts, add_image, add_seen, add_verdict, begin_round

ROOT = Path(__file__).resolve().parent.parent
SMALL = dict(arch='test_resnet', sizes='32', epochs='1', frozen_epochs='1', bs='8') # What a training is shrunk by
TRAINS = ('train','committee','ablate','curve')
WEIGHTS = ('.pth','.safetensors','.onnx','.bin')
PLACES = {'elpv':'photos', r'^(cell\d\d)':'^(.+)_cam', '/data/today':'today'} # Words → what stands here

def of_help(text):
    "Commands of a docstring: paragraphs that begin with the word"
    paragraphs = [' '.join(o.split()) for o in text.split('\n\n')]
    return [o for o in paragraphs if o.startswith('semicls ')]

def of_readme(text):
    "Lines of code blocks, and commands in the table; an ellipsis is no command"
    lines = '\n'.join(re.findall(r'```sh\n(.*?)```', text, re.S)).splitlines()
    found = [line.partition(' #')[0].strip() for line in lines] + re.findall(r'`(semicls [a-z]+ [^`]+)`', text)
    return [o for o in found if o.startswith('semicls ') and '…' not in o]

def collect():
    found = of_readme((ROOT/'README.md').read_text(encoding='utf-8'))
    group = get_command(app)
    found += [line.strip() for line in group.help.splitlines() if line.strip().startswith('semicls ')]
    for command in group.commands.values(): found += of_help(command.help)
    return [o for o in dict.fromkeys(found) if 'COMMAND' not in o]

EXAMPLES = collect()
SLOW = re.compile(r'--folds|--vary|committee|--format|ensemble|^semicls synth|serve runs|--measure|^semicls curve'
                  '|--engine ray')

def test_examples_are_found_in_both_places():
    assert len(EXAMPLES)>30
    for name in get_command(app).commands: assert any(o.startswith(f'semicls {name}') for o in EXAMPLES), name

# ---- what the examples name

def _photos(folder, names):
    "60 parts, two photographs of each"
    for i in range(120):
        y = i//2%3==0
        part(folder/names[y]/f'{i//2:02}_cam{i%2}.png', y, i)

def _tls():
    make = 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout k.pem -out c.pem'
    subprocess.run(make.split(), check=True, capture_output=True)

def _rounds():
    "Two rounds of two people at a station, and the labels that are known"
    v,hashes = Verdicts('verdicts'),[f'{i:02x}'*32 for i in range(12)]
    with v.db() as db:
        for h in hashes: db.execute("insert into image values (?,'png',1,1,1,1,1)", [h])
    for h in hashes: add_seen(v, h, 'line4@1', 'desk', f'{h[:2]}.png', .5)
    for k in range(2):
        begin_round(v, 'line4@1', len(hashes))
        for i,h in enumerate(hashes):
            said = 'reject' if i>5 else 'pass'
            for who in ('ann','ben'): add_verdict(v, h, said, who, 'line4@1', .5, .5, round=f'round-{k+1}')
    write_csv(pd.DataFrame(dict(sha256=hashes, label=['good']*6+['defect']*6)), 'gold.csv')

def _verdicts(folder, photos):
    "What a person at a station has said about photographs"
    v = Verdicts(folder)
    for path in photos:
        said = 'reject' if path.parent.name=='defect' else 'pass'
        add_verdict(v, add_image(v, path.read_bytes(), 'PNG', {}), said, 'ann', 'was@1', .5, .5)

@pytest.fixture(scope='session')
def world(trained, tmp_path_factory):
    "A folder with all that the examples name. No test changes it"
    here = tmp_path_factory.mktemp('world')
    shutil.copytree(trained, here, dirs_exist_ok=True)
    for name in ('line4','f5','demo'): shutil.copytree(here/'runs/a', here/f'runs/{name}')
    shutil.copytree(here/'runs/b', here/'runs/other')
    shutil.copytree(here/'runs/a', here/'runs/c')
    _photos(here/'photos', ('good','defect'))
    for folder in ('new_photos','contest','incoming','today','lots/7'):
        for i in range(3): part(here/folder/f'top_{i}.bmp', i%2, i)
    part(here/'extra.png', 0, 7)
    shutil.make_archive(str(here/'lot7'), 'zip', here/'lots/7')
    _verdicts(here/'verdicts', sorted((here/'photos').rglob('*.png')))
    (here/'runs/line4/config.yaml').write_text('data: photos\nseed: 3\n')
    return here

def small(words):
    "A command on what stands here for its words, its training shrunk"
    words = [PLACES.get(o, o) for o in words]
    if '--add' in words: words += ['--weights','none'] # the recipe is that of the run
    elif words[1] in TRAINS:
        keep = [i for i,o in enumerate(words) if o=='--set' and words[i+1].partition('=')[0] in SMALL]
        words = [o for i,o in enumerate(words) if i not in keep and i-1 not in keep]
        shrunk = [f'{name}={value}' for name,value in SMALL.items() if f'--{name}' not in words]
        words += [o for pair in shrunk for o in ('--set',pair)] + ['--weights','none']
    if '--drop' in words: words += ['--force'] # one epoch makes no judge of labels
    if words[1]=='curve': words += ['--points','4','--draws','2']
    if words[1]=='synth': words[words.index('--scale')+1] = '0.001'
    if words[1]=='serve' and '--hash-password' not in words: words += ['--no-browser','--port',str(free_port())]
    return words

def answer(words, monkeypatch):
    "Exit code of a command in this process"
    monkeypatch.setattr('sys.argv', words)
    with pytest.raises(SystemExit) as e: main()
    return e.value.code

def stop(*_, **__): raise KeyboardInterrupt

def run(example, monkeypatch):
    "Run the commands of a line one after another; `>>` writes what they print"
    codes = []
    for command in example.split(' && '):
        command,_,to = command.partition(' >> ')
        codes.append(answer(small(shlex.split(command)), monkeypatch))
    return codes

def _place(old, new):
    "A copy; weights, which commands only ever replace whole, are one file under two names"
    return os.link(old, new) if Path(old).suffix in WEIGHTS else shutil.copy2(old, new)

@pytest.fixture
def desk(world, tmp_path, monkeypatch):
    "A copy of the world; what would wait for a person goes on"
    here = tmp_path/'world'
    shutil.copytree(world, here, copy_function=_place)
    monkeypatch.chdir(here)
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr('typer.prompt', lambda text, **_: 'ann' if text=='Name' else 'secret-words')
    monkeypatch.setattr(watch, 'time', types.SimpleNamespace(monotonic=time.monotonic, sleep=stop))
    monkeypatch.setattr(page, '_serve', lambda *_, **__: None)
    return here

def ready(example, here, capsys, monkeypatch):
    "What a person would have done before this example"
    if '--good ok' in example:
        for old,new in dict(good='ok', defect='ng').items(): (here/'photos'/old).rename(here/'photos'/new)
    if example.startswith('semicls agree'): _rounds()
    if '--engine ray' in example: pytest.importorskip('ray')
    if '--tls-cert' in example:
        if not shutil.which('openssl'): pytest.skip('no openssl to make a certificate with')
        _tls()
        answer('semicls serve --hash-password'.split(), monkeypatch)
        Path('people').write_text(capsys.readouterr().out)
    if '--resume' in example: answer(small(shlex.split(example.replace(' --resume', ' --overwrite'))), monkeypatch)
    elif '--config' not in example:
        names = re.findall(r'--(?:name |out runs/)(\w+)', example)
        for name in names: shutil.rmtree(here/'runs'/name, ignore_errors=True)

def marked(example): return pytest.param(example, marks=[pytest.mark.slow] if SLOW.search(example) else [])

@pytest.mark.parametrize('example', map(marked, EXAMPLES))
def test_an_example_runs_as_written(example, desk, capsys, monkeypatch):
    ready(example, desk, capsys, monkeypatch)
    capsys.readouterr()
    codes = run(example, monkeypatch)
    said = capsys.readouterr()
    refused = '--int8' in example and 'int8: not exported' in said.err # it costs accuracy: an answer, and the right one
    assert refused or set(codes)<={0}, said.err

# ---- the library

def python_of(text): return re.findall(r'```python\n(.*?)```', text, re.S)

BLOCKS = python_of((ROOT/'README.md').read_text(encoding='utf-8'))

def test_blocks_of_python_are_found():
    assert any('train_job(' in o and 'predict_files(' in o for o in BLOCKS)
    assert python_of('```sh\nls\n```\n```python\na = 1\n```\n')==['a = 1\n']

@pytest.mark.parametrize('block', BLOCKS)
def test_a_block_of_python_runs_as_written(block, desk, monkeypatch):
    "`QUICK` is a recipe of two epochs at 32 pixels here, without ImageNet weights"
    for path in re.findall(r"path='(runs/\w+)'", block): shutil.rmtree(path, ignore_errors=True)
    monkeypatch.setattr(every, 'QUICK', tiny())
    monkeypatch.setattr(every, 'train_job', functools.partial(every.train_job, weights='none'))
    names = {}
    exec(block, names)
    assert 0<=names['result']['auc']<=1
    assert len(names['scores'])==3 and names['scores'].p_defect.between(0, 1).all()

# ---- make demo

MAKEFILE = (ROOT/'Makefile').read_text(encoding='utf-8')
STATUSES = 'running finished interrupted failed'.split()
DEMO = re.search(r'^demo:.*\n\t@(semicls .*)', MAKEFILE, re.M)[1].replace('$$', '$')

def command(folder, line):
    "A program `semicls` in a folder; the environment that finds it there"
    (folder/'semicls').write_text(f'#!/bin/sh\n{line}\n')
    (folder/'semicls').chmod(0o755)
    return os.environ | dict(PATH=f'{folder}:{os.environ["PATH"]}', SEMICLS_CACHE=str(folder/'cache'))

def shell(line, folder, env):
    "What a line of the Makefile prints"
    done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    return done.stdout.strip()

@pytest.mark.parametrize('status', ['',*STATUSES])
def test_make_demo_goes_on_where_it_was_stopped_and_begins_anew_elsewhere(status, tmp_path):
    env = command(tmp_path, 'echo "$@"')
    if status: create_run(tmp_path/'runs/demo').update(status=status)
    how = '--resume' if status in ('interrupted','running') else '--overwrite'
    assert shell(DEMO, tmp_path, env)==f'train elpv --recipe quick --name demo {how}'

@pytest.mark.slow
def test_make_demo_trains_on_the_photographs(tmp_path):
    "At 32 pixels, a network of timm's own tests"
    pytest.importorskip('elpv_dataset')
    env = command(tmp_path, f'exec {shlex.quote(sys.executable)} -m semiconductor_cls "$@"')
    small = '--set arch=test_resnet --set sizes=32 --set epochs=1 --weights none'
    shell(f'{DEMO} {small}', tmp_path, env)
    run = tmp_path/'runs/demo'
    assert read_json(run/'run.json')['status']=='finished' and (run/'report.html').exists()
    assert len(pd.read_csv(run/'table.csv'))==2624 and 0<read_json(run/'metrics.json')['auc']<1
